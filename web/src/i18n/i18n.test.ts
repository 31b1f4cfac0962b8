import {describe, expect, it} from "vitest";
import {fill, when, type Area} from "./index";

const files = import.meta.glob<Record<string, Area<Record<string, string>>>>(["./*.ts", "!./index.ts", "!./*.test.ts"], {eager: true});
// The words of a plural stand for a count that has a place in the text.
const plurals = (text: string) => [...text.matchAll(/\{(\w+)\|[^|{}]+\|[^|{}]+\}/g)].map(m => m[1]!);
const placeholders = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map(m => m[1]!).sort();

describe("the texts", () => {
  for (const [file, exported] of Object.entries(files)) {
    for (const [name, {en, zh}] of Object.entries(exported)) {
      it(`${file} ${name}: every text in both languages, with the same placeholders`, () => {
        expect(Object.keys(zh).sort()).toEqual(Object.keys(en).sort());
        for (const key of Object.keys(en)) {
          expect(en[key]!.trim(), key).not.toBe("");
          expect(zh[key]!.trim(), key).not.toBe("");
          expect(placeholders(zh[key]!), key).toEqual(placeholders(en[key]!));
          expect(placeholders(en[key]!), key).toEqual(expect.arrayContaining(plurals(en[key]!)));
          expect(zh[key]!, key).not.toContain("|");
          expect(en[key]!.split("|").length - 1, key).toBe(2 * plurals(en[key]!).length);
        }
      });
      it(`${file} ${name}: Chinese texts are Chinese`, () => {
        const same = Object.keys(en).filter(key => !/[\u4e00-\u9fff]/.test(zh[key]!));
        // Names, abbreviations and formulas stay as they are.
        expect(same.filter(key => zh[key] !== en[key] && !/^[\s\W\dA-Za-z]*$/.test(zh[key]!))).toEqual([]);
        expect(same.every(key => zh[key]!.length <= 24)).toBe(true);
      });
    }
  }
  it("are filled", () => {
    expect(fill("{a} of {b}", {a: 1, b: "x"})).toBe("1 of x");
    expect(fill("{a} {nope}", {a: "$&"})).toBe("$& {nope}");
  });
  it("count one and many", () => {
    const text = "{n} {n|line was|lines were} skipped";
    expect([0, 1, 2, "1", "1,001"].map(n => fill(text, {n}))).toEqual([
      "0 lines were skipped", "1 line was skipped", "2 lines were skipped", "1 line was skipped", "1,001 lines were skipped",
    ]);
  });
  it("of a count have no plural beside it that does not bend", () => {
    const stiff = /\{\w+\} (prompts|rows|labels|tokens|files|turns|answers|lines|steps|pairs|conversations|people|suggestions|things)\b/;
    for (const exported of Object.values(files)) {
      for (const {en} of Object.values(exported)) {
        for (const [key, text] of Object.entries(en)) if (!/tokens\/s/.test(text)) expect(text, key).not.toMatch(stiff);
      }
    }
  });
  it("tell times", () => {
    expect(when(1000, "en", 1300)).toMatch(/5 min/);
    expect(when(1000, "zh", 1000 + 86400)).toBe("昨天");
  });
});
