import {describe, expect, it} from "vitest";
import {dense, groups, insert, isComplete, lift, place, step, tiedWith, tieWithAbove, type Ranks} from "./ranks";

const abcd: Ranks = {a: 1, b: 2, c: 3, d: 4};

describe("placing", () => {
  it("ties what is put on the same shelf", () => {
    const ranks = place(place({}, "a", 2, 4), "b", 2, 4);
    expect(groups(ranks)).toEqual([["a", "b"]]);
    expect(tiedWith(ranks, "a")).toEqual(["b"]);
  });
  it("keeps ranks within 1..K", () => {
    expect(place({}, "a", 9, 4)).toEqual({a: 4});
    expect(place({}, "a", 0, 4)).toEqual({a: 1});
  });
  it("lifts without touching the others", () => {
    expect(lift(abcd, "b")).toEqual({a: 1, c: 3, d: 4});
    expect(abcd).toHaveProperty("b");
  });
});

describe("inserting", () => {
  it("pushes down to where the answer came from", () => {
    expect(insert(abcd, "d", 2, 4)).toEqual({a: 1, d: 2, b: 3, c: 4});
  });
  it("pushes up where nothing below is free", () => {
    expect(insert(abcd, "a", 4, 4)).toEqual({b: 1, c: 2, d: 3, a: 4});
  });
  it("moves a tie as one", () => {
    expect(insert({a: 1, b: 1, c: 2}, "d", 1, 4)).toEqual({a: 2, b: 2, c: 3, d: 1});
  });
  it("disturbs nobody on an empty shelf", () => {
    expect(insert({a: 1, b: 4}, "c", 2, 4)).toEqual({a: 1, b: 4, c: 2});
  });
});

describe("stepping", () => {
  it("changes places with a full shelf", () => {
    expect(step(abcd, "c", -1, 4)).toEqual({a: 1, b: 3, c: 2, d: 4});
    expect(step({a: 1, b: 2, c: 2}, "a", 1, 4)).toEqual({a: 2, b: 1, c: 1});
  });
  it("stops at either end", () => {
    expect(step(abcd, "a", -1, 4)).toEqual(abcd);
    expect(step(abcd, "d", 1, 4)).toEqual(abcd);
  });
  it("leaves a tie before it passes anybody", () => {
    expect(groups(step({a: 1, b: 2, c: 2, d: 3}, "c", -1, 4))).toEqual([["a"], ["c"], ["b"], ["d"]]);
    expect(groups(step({a: 1, b: 2, c: 2, d: 3}, "b", 1, 4))).toEqual([["a"], ["c"], ["b"], ["d"]]);
  });
  it("leaves a tie on the last shelf within K", () => {
    const ranks = step({a: 4, b: 4, c: 4, d: 4}, "d", 1, 4);
    expect(groups(ranks)).toEqual([["a", "b", "c"], ["d"]]);
    expect(Math.max(...Object.values(ranks))).toBeLessThanOrEqual(4);
  });
  it("gives an unplaced answer a free shelf", () => {
    expect(step({a: 1}, "b", -1, 4)).toEqual({a: 1, b: 2});
    expect(step({a: 1}, "b", 1, 4)).toEqual({a: 1, b: 4});
  });
});

describe("ties", () => {
  it("joins the nearest above, over empty shelves", () => {
    expect(tieWithAbove({a: 1, b: 4}, "b")).toEqual({a: 1, b: 1});
    expect(tieWithAbove(abcd, "c")).toEqual({a: 1, b: 2, c: 2, d: 4});
  });
  it("has nothing to join at the top", () => expect(tieWithAbove(abcd, "a")).toEqual(abcd));
  it("ties an unplaced answer with the last", () => expect(tieWithAbove({a: 1, b: 2}, "c")).toEqual({a: 1, b: 2, c: 2}));
});

describe("what is sent", () => {
  it("has no gaps", () => expect(dense({a: 1, b: 3, c: 3, d: 9})).toEqual({a: 1, b: 2, c: 2, d: 3}));
  it("is complete only with every answer", () => {
    expect(isComplete({a: 1, b: 1}, ["a", "b"])).toBe(true);
    expect(isComplete({a: 1}, ["a", "b"])).toBe(false);
  });
});

it("any run of moves keeps every answer once, within 1..K", () => {
  let seed = 7;
  const random = (n: number) => (seed = (seed * 1103515245 + 12345) % 2147483648) % n;
  for (let k = 4; k <= 9; k++) {
    const ids = "abcdefghi".slice(0, k).split("");
    let ranks: Ranks = Object.fromEntries(ids.map((id, i) => [id, i + 1]));
    for (let i = 0; i < 300; i++) {
      const id = ids[random(k)]!;
      const before = groups(ranks)
        .filter(row => !row.includes(id))
        .map(row => row.join());
      const what = random(4);
      if (what === 0) ranks = place(ranks, id, 1 + random(k), k);
      else if (what === 1) ranks = insert(ranks, id, 1 + random(k), k);
      else if (what === 2) ranks = step(ranks, id, random(2) === 0 ? -1 : 1, k);
      else ranks = tieWithAbove(ranks, id);
      expect(Object.keys(ranks).sort()).toEqual(ids);
      for (const n of Object.values(ranks)) expect(n >= 1 && n <= k).toBe(true);
      if (what === 1) {
        // the others keep their order and their ties
        const after = groups(ranks).map(row => row.join());
        expect(before.every(row => after.includes(row))).toBe(true);
      }
    }
  }
});
