// The studio's types: what the server and the page agree on (api/types.ts), and labels as they are while a person works on them
// (a draft may lack anything that the finished label must have).
import type {Flag, LabelSpan, ProjectKind, Task as ServerTask, Turn} from "../../api/types";

export type {Agreement, Dataset, Disagreement, Flag, Job, Project, ProjectKind, Sampling, Screened, TrainStep, Turn} from "../../api/types";
export {PAPER_FLAGS} from "../../api/types";
export type Kind = ProjectKind;
export type Span = LabelSpan;
export const KINDS: readonly Kind[] = ["demonstration", "dialogue", "ranking", "redteam", "review"];

export interface Answer {
  id: string;
  content: string;
}
export interface Score {
  overall?: number;
  criteria?: Record<string, number>;
}
export interface DemonstrationDraft {
  content: string;
  spans?: Span[];
  seconds: number;
}
export interface DialogueDraft {
  messages: Turn[];
  seconds: number;
}
export interface RankingDraft {
  ranks: Record<string, number>;
  scores: Record<string, Score>;
  flags: Record<string, Flag[]>;
  spans: Span[];
  flagged: string;
  comment: string;
  seconds: number;
}
export interface RedteamDraft {
  messages: Turn[];
  harm: number | null;
  success: boolean | null;
  tags: string[];
  comment: string;
  seconds: number;
}
export interface ReviewDraft {
  verdict: "good" | "fix" | "reject" | null;
  comment: string;
  content?: string; // the mended text of a fix
  seconds: number;
}
export type Draft = DemonstrationDraft | DialogueDraft | RankingDraft | RedteamDraft | ReviewDraft;

export interface Task extends Omit<ServerTask, "draft"> {
  draft: Draft | null;
}
export interface StoredLabel {
  id: string;
  project: string;
  item: string;
  kind: Kind;
  person: string;
  name: string;
  created: number;
  gold: boolean;
  adjudicated: boolean;
  edited?: number | null; // how much of the suggestion that it began with was changed; null: it began with none
  label: Draft;
  messages?: Turn[];
  answers?: Answer[];
  history?: {time: number; person: string; name: string; why: string; label: Draft}[];
}
