// Passages of an answer that carry a flag. The page counts in UTF-16 units (as a text field does); what is sent counts Unicode
// code points, as every other reader of the JSONL does, and never cuts a character that people see as one.
import type {Span} from "./types";

/** From a text field's offset to code points. An offset within a surrogate pair counts the pair. */
export const toCodePoints = (text: string, unit: number): number => [...text.slice(0, unit)].length;

export function toUnits(text: string, point: number): number {
  let units = 0;
  for (const character of text) {
    if (point-- <= 0) break;
    units += character.length;
  }
  return units;
}

function graphemeEdges(text: string): number[] {
  if (typeof Intl.Segmenter !== "function") {
    const edges = [0];
    for (const character of text) edges.push(edges[edges.length - 1]! + character.length);
    return edges;
  }
  return [...[...new Intl.Segmenter(undefined, {granularity: "grapheme"}).segment(text)].map(s => s.index), text.length];
}

/** The selection as whole characters without blanks at its ends, in code points; null if nothing is left. */
export function selectionToSpan(text: string, from: number, to: number): {begin: number; end: number} | null {
  let begin = Math.max(0, Math.min(from, to));
  let end = Math.min(text.length, Math.max(from, to));
  if (begin === end) return null;
  const edges = graphemeEdges(text);
  begin = edges.filter(edge => edge <= begin).pop() ?? 0;
  end = edges.find(edge => edge >= end) ?? text.length;
  while (begin < end && /\s/u.test(text[begin]!)) begin++;
  while (end > begin && /\s/u.test(text[end - 1]!)) end--;
  return begin === end ? null : {begin: toCodePoints(text, begin), end: toCodePoints(text, end)};
}

/** Adds a span; those of the same answer and flag that touch it become one with it. */
export function addSpan(spans: readonly Span[], added: Span): Span[] {
  const touches = (s: Span) => s.answer === added.answer && s.flag === added.flag && s.begin <= added.end && added.begin <= s.end;
  const joined = spans
    .filter(touches)
    .reduce((all, s) => ({...all, begin: Math.min(all.begin, s.begin), end: Math.max(all.end, s.end)}), added);
  return [...spans.filter(s => !touches(s)), joined].sort((a, b) => a.answer.localeCompare(b.answer) || a.begin - b.begin);
}

export interface Run {
  text: string;
  flags: string[];
}

/** The text cut where spans begin and end, each run with the flags that lie on it. Spans out of the text's range are cut to it. */
export function runs(text: string, spans: readonly {begin: number; end: number; flag: string}[]): Run[] {
  const points = [...text];
  const cuts = new Set([0, points.length]);
  for (const s of spans) for (const at of [s.begin, s.end]) if (at > 0 && at < points.length) cuts.add(at);
  const sorted = [...cuts].sort((a, b) => a - b);
  return sorted.slice(0, -1).map((begin, i) => {
    const end = sorted[i + 1]!;
    const flags = [...new Set(spans.filter(s => s.begin <= begin && s.end >= end).map(s => s.flag))];
    return {text: points.slice(begin, end).join(""), flags};
  });
}

export const spanText = (text: string, span: {begin: number; end: number}): string => [...text].slice(span.begin, span.end).join("");
