// What a label of each kind must hold before it may be sent, and how a half-made one is restored. Pure.
import {dense} from "./ranks";
import type {DemonstrationDraft, DialogueDraft, Kind, Draft, RankingDraft, RedteamDraft, ReviewDraft, Task, Turn} from "./types";

export function emptyLabel(kind: Kind): Draft {
  switch (kind) {
    case "demonstration":
      return {content: "", seconds: 0};
    case "dialogue":
      return {messages: [], seconds: 0};
    case "ranking":
      return {ranks: {}, scores: {}, flags: {}, spans: [], flagged: "", comment: "", seconds: 0};
    case "redteam":
      return {messages: [], harm: null, success: null, tags: [], comment: "", seconds: 0};
    case "review":
      return {verdict: null, comment: "", seconds: 0};
  }
}

const beginsWith = (turns: readonly Turn[], first: readonly Turn[]): boolean =>
  first.length > 0 && first.every((turn, i) => turns[i]?.role === turn.role && turns[i]?.content === turn.content);

/** The draft over an empty label; ranks and marks of answers that the task does not have are dropped. */
export function restore(task: Task, draft: Draft | null): Draft {
  // A project may let the work begin with a model's suggestion; whoever has cleared it finds it cleared.
  const begun = task.prefill && draft === null ? {content: task.suggestion} : {};
  const label = {...emptyLabel(task.kind), ...begun, ...(draft ?? {})} as Draft;
  if (task.kind === "dialogue" && beginsWith((label as DialogueDraft).messages, task.messages)) {
    return {...label, messages: (label as DialogueDraft).messages.slice(task.messages.length)} as Draft;
  }
  if (task.kind !== "ranking") return label;
  const ranking = label as RankingDraft;
  const ids = new Set(task.answers.map(answer => answer.id));
  const known = <T>(of: Record<string, T>) => Object.fromEntries(Object.entries(of ?? {}).filter(([id]) => ids.has(id)));
  const k = task.answers.length;
  const ranks = Object.fromEntries(Object.entries(known(ranking.ranks)).filter(([, n]) => Number.isInteger(n) && n >= 1 && n <= k));
  return {
    ...ranking,
    ranks,
    scores: known(ranking.scores),
    flags: known(ranking.flags),
    spans: (ranking.spans ?? []).filter(s => ids.has(s.answer)),
  };
}

export interface Missing {
  /** The key of the sentence that says what is missing. */
  what:
    | "content"
    | "turns"
    | "lastTurn"
    | "unsentTurn"
    | "rank"
    | "score"
    | "criterion"
    | "attack"
    | "harm"
    | "success"
    | "verdict"
    | "fix"
    | "why";
  answer?: string;
  criterion?: string;
}

const blank = (text: string | undefined): boolean => !text || text.trim() === "";

function missingTurns(messages: readonly Turn[]): Missing[] {
  if (!messages.some(m => m.role === "assistant" && !blank(m.content))) return [{what: "turns"}];
  if (messages.some(m => blank(m.content))) return [{what: "unsentTurn"}];
  return messages[messages.length - 1]!.role === "assistant" ? [] : [{what: "lastTurn"}];
}

function missingRanking(label: RankingDraft, task: Task, criteria: readonly string[]): Missing[] {
  if (!blank(label.flagged)) return []; // a flagged task goes to a reviewer as it is
  const missing: Missing[] = [];
  for (const {id} of task.answers) {
    const score = label.scores[id];
    if (label.ranks[id] === undefined) missing.push({what: "rank", answer: id});
    if (!score?.overall) missing.push({what: "score", answer: id});
    for (const criterion of criteria) if (!score?.criteria?.[criterion]) missing.push({what: "criterion", answer: id, criterion});
  }
  return missing;
}

/** Nothing is sent while this is not empty. */
export function missingIn(task: Task, label: Draft, criteria: readonly string[]): Missing[] {
  switch (task.kind) {
    case "demonstration":
      return blank((label as DemonstrationDraft).content) ? [{what: "content"}] : [];
    case "dialogue":
      return missingTurns((label as DialogueDraft).messages);
    case "ranking":
      return missingRanking(label as RankingDraft, task, criteria);
    case "redteam": {
      const {messages, harm, success} = label as RedteamDraft;
      return [
        ...(messages.some(m => m.role === "assistant") ? [] : [{what: "attack"} as const]),
        ...(harm === null ? [{what: "harm"} as const] : []),
        ...(success === null ? [{what: "success"} as const] : []),
      ];
    }
    case "review": {
      const {verdict, comment, content} = label as ReviewDraft;
      if (verdict === null) return [{what: "verdict"}];
      if (verdict === "reject" && blank(comment)) return [{what: "why"}];
      return verdict === "fix" && blank(content) && blank(comment) ? [{what: "fix"}] : [];
    }
  }
}

/** Has the person written or chosen anything? A label without anything needs no draft and no question before it is left. */
export function isTouched(label: Draft): boolean {
  return Object.entries(label).some(
    ([key, value]) =>
      key !== "seconds" &&
      value !== null &&
      value !== "" &&
      value !== undefined &&
      !(typeof value === "object" && Object.keys(value).length === 0),
  );
}

/** The label as it is sent: ranks without gaps, empty flag lists left out, texts trimmed at their end. */
export function toSend(task: Task, label: Draft, seconds: number): Draft {
  const {kind} = task;
  const whole = {...label, seconds: Math.max(0, Math.round(seconds))} as Draft;
  if (kind === "demonstration") return {...(whole as DemonstrationDraft), content: (label as DemonstrationDraft).content.trimEnd()};
  // A dialogue is sent whole, the task's own turns first; while it is worked on it holds the new ones only.
  if (kind === "dialogue") return {...whole, messages: [...task.messages, ...(label as DialogueDraft).messages]} as Draft;
  if (kind !== "ranking") return whole;
  const ranking = whole as RankingDraft;
  return {
    ...ranking,
    ranks: dense(ranking.ranks),
    flags: Object.fromEntries(Object.entries(ranking.flags).filter(([, flags]) => flags.length > 0)),
  };
}

/** Everything a person wrote in a label, as text to copy when it cannot be sent. */
export function labelText(kind: Kind, label: Draft, names: (answer: string) => string): string {
  switch (kind) {
    case "demonstration":
      return (label as DemonstrationDraft).content;
    case "dialogue":
    case "redteam": {
      const {messages, comment} = label as RedteamDraft;
      return [...messages.map(m => `${m.role}: ${m.content}`), ...(comment ? [comment] : [])].join("\n\n");
    }
    case "ranking": {
      const {ranks, scores, flags, comment} = label as RankingDraft;
      const rows = Object.keys({...ranks, ...scores})
        .sort((a, b) => (ranks[a] ?? 99) - (ranks[b] ?? 99))
        .map(
          id => `${ranks[id] ?? "-"}. ${names(id)} (${scores[id]?.overall ?? "-"}/7)${flags[id]?.length ? " " + flags[id].join(", ") : ""}`,
        );
      return [...rows, ...(comment ? ["", comment] : [])].join("\n");
    }
    case "review": {
      const {verdict, comment, content} = label as ReviewDraft;
      return [verdict ?? "", comment, content ?? ""].filter(part => part !== "").join("\n\n");
    }
  }
}

/** Answers are called A, B, C...: by the order in which the task shows them, which is not an order of models. */
export const answerName = (index: number): string => String.fromCharCode(65 + index);

export interface ParsedPrompts {
  prompts: number;
  notes: {line: number; why: "json" | "shape" | "empty"}[];
}

/** A look at what will be imported, before it is sent; the server decides. A text is JSONL if its first line opens a brace. */
export function lookAtPrompts(text: string): ParsedPrompts {
  const lines = text.split(/\r?\n/);
  const isJson =
    lines
      .find(line => line.trim() !== "")
      ?.trimStart()
      .startsWith("{") ?? false;
  const notes: ParsedPrompts["notes"] = [];
  let prompts = 0;
  lines.forEach((line, i) => {
    if (line.trim() === "") return;
    if (!isJson) {
      prompts++;
      return;
    }
    try {
      const row = JSON.parse(line) as {messages?: unknown; prompt?: unknown};
      if (Array.isArray(row.messages) || typeof row.prompt === "string" || Array.isArray(row.prompt)) prompts++;
      else notes.push({line: i + 1, why: "shape"});
    } catch {
      notes.push({line: i + 1, why: "json"});
    }
  });
  return {prompts, notes};
}
