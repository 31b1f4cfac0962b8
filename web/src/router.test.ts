import {describe, expect, it} from "vitest";
import {match} from "./router";

describe("the router's patterns", () => {
  it("match paths whole", () => {
    expect(match("/", "/")).toEqual({});
    expect(match("/", "/c")).toBeNull();
    expect(match("/c/:id", "/c/7")).toEqual({id: "7"});
    expect(match("/c/:id", "/c/7/8")).toBeNull();
    expect(match("/c/:id", "/c")).toBeNull();
    expect(match("/c/:id", "/c/a%2Fb")).toEqual({id: "a/b"});
  });
  it("match what is below with a star", () => {
    expect(match("/studio/*", "/studio")).toEqual({});
    expect(match("/studio/*", "/studio/p/1")).toEqual({});
    expect(match("/studio/*", "/studios")).toBeNull();
  });
  it("do not break at a bad escape", () => expect(match("/c/:id", "/c/%E0%A4%A")).toBeNull());
});
