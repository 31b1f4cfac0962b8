import {describe, expect, it} from "vitest";
import {addSpan, runs, selectionToSpan, spanText, toCodePoints, toUnits} from "./spans";
import type {Flag} from "./types";

describe("offsets", () => {
  it("counts code points, not UTF-16 units", () => {
    const text = "a😀b渡船";
    expect(toCodePoints(text, 3)).toBe(2);
    expect(toUnits(text, 2)).toBe(3);
    for (let n = 0; n <= 5; n++) expect(toCodePoints(text, toUnits(text, n))).toBe(n);
  });
  it("takes a surrogate pair whole when half of it is selected", () => {
    const span = selectionToSpan("a😀b", 2, 3)!;
    expect(spanText("a😀b", span)).toBe("😀");
  });
  it("takes a joined emoji and a letter with its accent whole", () => {
    const family = "x👩‍👩‍👧y";
    expect(spanText(family, selectionToSpan(family, 3, 5)!)).toBe("👩‍👩‍👧");
    const accent = "cafe\u0301!";
    expect(spanText(accent, selectionToSpan(accent, 3, 4)!)).toBe("e\u0301");
  });
  it("drops blanks at the ends, and a selection of blanks alone", () => {
    expect(selectionToSpan("one two three", 3, 8)).toEqual({begin: 4, end: 7});
    expect(selectionToSpan("a  \n b", 1, 4)).toBeNull();
    expect(selectionToSpan("abc", 1, 1)).toBeNull();
  });
  it("does not mind a selection made backwards or too long", () => {
    expect(selectionToSpan("abc", 9, 1)).toEqual({begin: 1, end: 3});
  });
});

describe("spans", () => {
  const span = (begin: number, end: number, flag: Flag = "hallucination", answer = "a") => ({answer, begin, end, flag});
  it("joins those of one flag that touch", () => {
    expect(addSpan([span(0, 3), span(8, 9)], span(3, 8))).toEqual([span(0, 9)]);
  });
  it("keeps other flags and other answers apart", () => {
    expect(addSpan([span(0, 3, "violent"), span(0, 3, "hallucination", "b")], span(1, 2))).toHaveLength(3);
  });
  it("cuts the text where they overlap", () => {
    const text = "😀 false and rude";
    const cut = runs(text, [span(2, 11), span(8, 16, "violent")]);
    expect(cut.map(r => r.text).join("")).toBe(text);
    expect(cut.find(r => r.text === "and")?.flags).toEqual(["hallucination", "violent"]);
  });
  it("survives spans beyond the text", () => {
    expect(runs("abc", [span(-4, 99)])).toEqual([{text: "abc", flags: ["hallucination"]}]);
    expect(runs("", [])).toEqual([]);
  });
});
