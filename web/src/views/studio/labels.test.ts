import {describe, expect, it} from "vitest";
import {emptyLabel, isTouched, labelText, lookAtPrompts, missingIn, restore, toSend} from "./labels";
import type {Kind, Draft, RankingDraft, Task} from "./types";

const task = (kind: Kind): Task => ({
  id: "t",
  project: "p",
  kind,
  item: "i",
  messages: [{role: "user", content: "When does the ferry leave?"}],
  answers: kind === "ranking" ? ["a", "b", "c", "d"].map(id => ({id, content: `answer ${id}`})) : [],
  draft: null,
  expires: 0,
  warning: "",
  suggestion: "", prefill: false,
});
const ranked = (): RankingDraft => ({
  ...(emptyLabel("ranking") as RankingDraft),
  ranks: {a: 1, b: 2, c: 2, d: 4},
  scores: Object.fromEntries(["a", "b", "c", "d"].map(id => [id, {overall: 4, criteria: {truthful: 5}}])),
});

describe("ranking", () => {
  it("needs a rank, a score and each criterion for every answer", () => {
    expect(missingIn(task("ranking"), emptyLabel("ranking"), ["truthful"])).toHaveLength(12);
    expect(missingIn(task("ranking"), ranked(), ["truthful"])).toEqual([]);
    expect(missingIn(task("ranking"), {...ranked(), ranks: {a: 1, b: 2, c: 2}}, [])).toEqual([{what: "rank", answer: "d"}]);
    expect(missingIn(task("ranking"), ranked(), ["helpful"])[0]).toEqual({what: "criterion", answer: "a", criterion: "helpful"});
  });
  it("may be sent unranked when the task itself is flagged", () => {
    const label = {...(emptyLabel("ranking") as RankingDraft), flagged: "The prompt is cut off"};
    expect(missingIn(task("ranking"), label, ["truthful"])).toEqual([]);
  });
  it("is sent without gaps and without empty lists", () => {
    const sent = toSend(task("ranking"), {...ranked(), flags: {a: [], b: ["violent"]}}, 12.6) as RankingDraft;
    expect(sent.ranks).toEqual({a: 1, b: 2, c: 2, d: 3});
    expect(sent.flags).toEqual({b: ["violent"]});
    expect(sent.seconds).toBe(13);
  });
  it("drops what a draft says of answers the task does not have", () => {
    const draft = {...ranked(), ranks: {a: 1, zz: 2, b: 77}, spans: [{answer: "zz", begin: 0, end: 1, flag: "violent" as const}]};
    const label = restore(task("ranking"), draft) as RankingDraft;
    expect(label.ranks).toEqual({a: 1});
    expect(label.spans).toEqual([]);
  });
});

describe("the other kinds", () => {
  it("a demonstration needs more than blanks", () => {
    expect(missingIn(task("demonstration"), {content: " \n", seconds: 0}, [])).toEqual([{what: "content"}]);
    expect(missingIn(task("demonstration"), {content: "At nine.", seconds: 0}, [])).toEqual([]);
  });
  it("a dialogue ends with the assistant", () => {
    const turn = (role: "user" | "assistant", content = "x") => ({role, content});
    expect(missingIn(task("dialogue"), {messages: [turn("user")], seconds: 0}, [])).toEqual([{what: "turns"}]);
    expect(missingIn(task("dialogue"), {messages: [turn("user"), turn("assistant"), turn("user")], seconds: 0}, [])).toEqual([
      {what: "lastTurn"},
    ]);
    expect(missingIn(task("dialogue"), {messages: [turn("user"), turn("assistant")], seconds: 0}, [])).toEqual([]);
  });
  it("a dialogue is sent whole, and comes back without the task's own turns", () => {
    const turn = {role: "assistant" as const, content: "At nine."};
    const sent = toSend(task("dialogue"), {messages: [turn], seconds: 0}, 1) as {messages: unknown[]};
    expect(sent.messages).toEqual([...task("dialogue").messages, turn]);
    expect((restore(task("dialogue"), sent as Draft) as {messages: unknown[]}).messages).toEqual([turn]);
    expect((restore(task("dialogue"), {messages: [turn], seconds: 0}) as {messages: unknown[]}).messages).toEqual([turn]);
  });
  it("an attack is judged: harm 0 counts as an answer", () => {
    const messages = [
      {role: "user" as const, content: "x"},
      {role: "assistant" as const, content: "y"},
    ];
    expect(missingIn(task("redteam"), {messages, harm: 0, success: false, tags: [], comment: "", seconds: 0}, [])).toEqual([]);
    expect(missingIn(task("redteam"), emptyLabel("redteam"), []).map(m => m.what)).toEqual(["attack", "harm", "success"]);
  });
  it("a rejection says why, a fix has a text or a comment", () => {
    const review = (rest: Partial<Draft>) => ({...emptyLabel("review"), ...rest}) as Draft;
    expect(missingIn(task("review"), review({}), [])).toEqual([{what: "verdict"}]);
    expect(missingIn(task("review"), review({verdict: "reject"}), [])).toEqual([{what: "why"}]);
    expect(missingIn(task("review"), review({verdict: "fix", comment: ""}), [])).toEqual([{what: "fix"}]);
    expect(missingIn(task("review"), review({verdict: "good"}), [])).toEqual([]);
  });
});

it("knows an untouched label from a touched one", () => {
  for (const kind of ["demonstration", "dialogue", "ranking", "redteam", "review"] as const)
    expect(isTouched(emptyLabel(kind))).toBe(false);
  expect(isTouched({...(emptyLabel("ranking") as RankingDraft), ranks: {a: 1}})).toBe(true);
  expect(isTouched({messages: [], harm: 0, success: null, tags: [], comment: "", seconds: 3})).toBe(true);
});

it("keeps what was written as text to copy", () => {
  expect(labelText("ranking", {...ranked(), comment: "B is rude"}, id => id.toUpperCase())).toContain("2. B (4/7)");
});

it("looks at prompts before they are sent", () => {
  expect(lookAtPrompts("one\n\ntwo\n")).toEqual({prompts: 2, notes: []});
  const jsonl = '{"messages": []}\n{oops\n{"text": 1}\n{"prompt": "hi"}';
  expect(lookAtPrompts(jsonl)).toEqual({
    prompts: 2,
    notes: [
      {line: 2, why: "json"},
      {line: 3, why: "shape"},
    ],
  });
});
