import {describe, expect, it} from "vitest";
import type {Message} from "../../api/types";
import {makeTree, newestLeaf, pathTo, siblings} from "./tree";

const message = (id: string, parent: string | null): Message => ({
  id, parent, role: "user", content: id, reasoning: "", tool_calls: [], files: [], model: "", model_hash: "", sampling: {}, state: "done", error: "", created: 0, usage: null, seconds: null, feedback: null,
});
const all = [message("a", null), message("b", "a"), message("c", "a"), message("d", "c"), message("e", "b"), message("z", null)];

describe("a conversation's tree", () => {
  const tree = makeTree(all);
  it("has paths", () => {
    expect(pathTo(tree, "e").map(m => m.id)).toEqual(["a", "b", "e"]);
    expect(pathTo(tree, null)).toEqual([]);
    expect(pathTo(tree, "nope")).toEqual([]);
  });
  it("has branches in the order they were made", () => {
    expect(siblings(tree, all[1]!)).toEqual(["b", "c"]);
    expect(siblings(tree, all[0]!)).toEqual(["a", "z"]);
    expect(newestLeaf(tree, "a")).toBe("d");
    expect(newestLeaf(tree, null)).toBe("z");
  });
  it("stands a message of a lost parent at the root, and ends at a circle", () => {
    expect(siblings(makeTree([message("x", "gone")]), message("x", "gone"))).toEqual(["x"]);
    expect(pathTo(makeTree([message("x", "y"), message("y", "x")]), "x").length).toBe(2);
  });
});
