import {describe, expect, it} from "vitest";
import {range, short, smoothed, ticks} from "./series";

describe("curves", () => {
  it("have round ticks within their range", () => {
    expect(ticks(0, 10, 4)).toEqual([0, 2.5, 5, 7.5, 10]);
    expect(ticks(3, 3, 4).length).toBeLessThan(10);
  });
  it("are short as text", () => expect([0, 0.5, 12.345, 123.4, 12345, 2.5e6, 1e-5, null].map(short)).toEqual(["0", "0.5", "12.35", "123", "12k", "2.5M", "1e-5", "–"]));
  it("are smoothed without a shift", () => {
    const flat = smoothed(Array.from({length: 50}, (_, i) => [i, 2] as const));
    for (const [, y] of flat) expect(y).toBeCloseTo(2);
    const line = smoothed(Array.from({length: 51}, (_, i) => [i, i] as const));
    expect(line[25]![1]).toBeCloseTo(25);
  });
  it("are not flattened by the first values", () => {
    const points = Array.from({length: 300}, (_, i) => [i, i === 0 ? 1000 : 1 + (i % 3)] as const);
    expect(range(points)[1]).toBeLessThan(5);
  });
});
