// What a recipe's stages are called, and their colours.
import {fill} from "../../i18n";
import type {run} from "../../i18n/run";

type Texts = (typeof run)["en"];
const plain = (name: string) => name.replace(/[_-]/g, " ").replace(/^./, c => c.toUpperCase());

export function stageName(name: string, t: Texts): string {
  const known = t[`stage_${name}` as keyof Texts];
  if (known) return known;
  if (name.startsWith("eval_")) return fill(t.stage_measuring, {name: name.slice(5)});
  return plain(name);
}
export function curveName(column: string, t: Texts): string | null {
  return t[`curve_${column}` as keyof Texts] ?? null;
}
export const plainName = plain;

// The colour of a stage is that of the model it makes.
const TINTS = ["base", "sft", "reward", "reference", "ppo", "adversarial"];
export function tintOf(name: string): string {
  const made = name === "pretrain" ? "base" : name === "heldout_reward" ? "reward" : TINTS.find(known => name.startsWith(known));
  return `tint-${made ?? "none"}`;
}

export function duration(seconds: number | null | undefined, t: Texts): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "";
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return fill(t.seconds, {n: s});
  if (s < 3600) return fill(t.minutes, {n: Math.floor(s / 60)}) + (s % 60 && s < 600 ? ` ${fill(t.seconds, {n: s % 60})}` : "");
  return fill(t.hours, {h: Math.floor(s / 3600), m: Math.floor((s % 3600) / 60)});
}
