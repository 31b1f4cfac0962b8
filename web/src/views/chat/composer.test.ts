import {describe, expect, it} from "vitest";
import {readFiles} from "./attach";
import {isSendKey} from "./Composer";

describe("Enter", () => {
  const key = (part: object) => isSendKey({key: "Enter", shiftKey: false, keyCode: 13, nativeEvent: {isComposing: false}, ...part});
  it("sends", () => expect(key({})).toBe(true));
  it("does not send with Shift, or while a word is composed", () => {
    expect(key({shiftKey: true})).toBe(false);
    expect(key({nativeEvent: {isComposing: true}})).toBe(false);
    expect(key({keyCode: 229})).toBe(false);
    expect(key({key: "a"})).toBe(false);
  });
});

describe("attached files", () => {
  it("are text, not too large, not too many", async () => {
    const {files, refused} = await readFiles([new File(["# x"], "a.md"), new File([new Uint8Array([255, 254, 0])], "b.txt"), new File(["a\0b"], "c.txt"), new File(["x".repeat(600_000)], "d.txt")], 0);
    expect(files).toEqual([{name: "a.md", text: "# x"}]);
    expect(refused).toEqual([{why: "not_text", name: "b.txt"}, {why: "not_text", name: "c.txt"}, {why: "too_big", name: "d.txt"}]);
    expect((await readFiles([new File(["x"], "e.txt")], 10)).refused).toEqual([{why: "too_many", name: "e.txt"}]);
  });
});
