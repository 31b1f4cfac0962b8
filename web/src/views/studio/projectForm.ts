// A project's settings as text fields hold them, and what must be true before they are sent. Pure.
import type {Kind, Project, Sampling} from "./types";

export interface Fields {
  name: string;
  kind: Kind;
  guidelines: string;
  models: string[];
  k: string;
  overlap: string;
  minutes: string;
  gold: string; // in percent
  warning: string;
  criteria: string; // one a line, or with commas between
  temperature: string;
  top_p: string;
  max_tokens: string;
  prefill: boolean;
  closed: boolean;
}
export const NEW: Fields = {
  name: "", kind: "ranking", guidelines: "", models: [], k: "4", overlap: "1", minutes: "30", gold: "5", warning: "", criteria: "",
  temperature: "1", top_p: "1", max_tokens: "512", prefill: false, closed: false,
};
export type Settings = Omit<Project, "id" | "created" | "counts">;
export type Problem = "required" | "range" | "models";

const text = (n: number | undefined) => (n === undefined ? "" : String(n));
export function fieldsOf(p: Project): Fields {
  return {
    name: p.name, kind: p.kind, guidelines: p.guidelines, models: p.models, k: text(p.k), overlap: text(p.overlap), minutes: text(p.minutes),
    gold: text(Math.round(p.gold_share * 1000) / 10), warning: p.warning, criteria: p.criteria.join("\n"), temperature: text(p.sampling.temperature),
    top_p: text(p.sampling.top_p), max_tokens: text(p.sampling.max_tokens), prefill: p.prefill, closed: p.closed,
  };
}

export const criteriaOf = (lines: string): string[] => [...new Set(lines.split(/[\n,，、]/).map(line => line.trim()).filter(Boolean))];

// The limits of each number, and whether it must be whole. An empty sampling field leaves the model's own.
export const LIMITS: Record<"k" | "overlap" | "minutes" | "gold" | "temperature" | "top_p" | "max_tokens", {low: number; high: number; whole: boolean}> = {
  k: {low: 4, high: 9, whole: true}, overlap: {low: 1, high: 50, whole: true}, minutes: {low: 1, high: 1440, whole: true},
  gold: {low: 0, high: 50, whole: false}, temperature: {low: 0, high: 2, whole: false}, top_p: {low: 0.01, high: 1, whole: false},
  max_tokens: {low: 1, high: 8192, whole: true},
};

export function problemsIn(f: Fields): Partial<Record<keyof Fields, Problem>> {
  const out: Partial<Record<keyof Fields, Problem>> = {};
  if (f.name.trim() === "") out.name = "required";
  if ((f.kind === "ranking" || f.kind === "redteam") && f.models.length === 0) out.models = "models";
  for (const key of Object.keys(LIMITS) as (keyof typeof LIMITS)[]) {
    const optional = key === "temperature" || key === "top_p" || key === "max_tokens";
    if (f[key].trim() === "") {
      if (!optional) out[key] = "required";
      continue;
    }
    const n = Number(f[key]);
    const {low, high, whole} = LIMITS[key];
    if (!Number.isFinite(n) || n < low || n > high || (whole && !Number.isInteger(n))) out[key] = "range";
  }
  return out;
}

export function settingsOf(f: Fields): Settings {
  const sampling: Sampling = {};
  for (const key of ["temperature", "top_p", "max_tokens"] as const) if (f[key].trim() !== "") sampling[key] = Number(f[key]);
  return {
    name: f.name.trim(), kind: f.kind, guidelines: f.guidelines, models: f.models, k: Number(f.k), sampling, overlap: Number(f.overlap),
    minutes: Number(f.minutes), gold_share: Number(f.gold) / 100, warning: f.warning.trim(), criteria: criteriaOf(f.criteria),
    prefill: f.prefill && f.kind === "demonstration", closed: f.closed,
  };
}
