// What the studio and its people's pages exchange with the server (docs/page-api.md, "Studio" and "Session and people").

export type Kind = 'demonstration' | 'dialogue' | 'ranking' | 'redteam' | 'review';
export const kinds: readonly Kind[] = ['demonstration', 'dialogue', 'ranking', 'redteam', 'review'];

/** The paper's metadata of an answer, in its order. */
export const paperFlags = [
  'fails_task', 'inappropriate', 'hallucination', 'ignores_constraint', 'sexual', 'violent', 'encourages_harm', 'denigrates',
  'harmful_advice', 'opinion', 'moral_judgment',
] as const;

export interface Turn { role: 'system' | 'user' | 'assistant'; content: string }

export interface Sampling {
  temperature?: number; top_p?: number; top_k?: number; min_p?: number; max_tokens?: number; seed?: number;
}

export interface ProjectSettings {
  name: string; kind: Kind; guidelines: string; models: string[]; k: number; sampling: Sampling; overlap: number; minutes: number;
  gold_share: number; warning: string; criteria: string[]; closed: boolean;
}
export interface Project extends ProjectSettings {
  id: string; created: number; counts: { prompts: number; open: number; done: number; labels: number };
}

export interface Answer { id: string; content: string }
export interface Span { answer: string; begin: number; end: number; flag: string }
export interface Score { overall?: number; criteria?: Record<string, number> }

interface Timed { seconds: number }
export interface DemonstrationLabel extends Timed { content: string; spans?: Span[] }
export interface DialogueLabel extends Timed { messages: Turn[] }
export interface RankingLabel extends Timed {
  ranks: Record<string, number>; scores: Record<string, Score>; flags: Record<string, string[]>; spans: Span[]; flagged: string;
  comment: string;
}
export interface RedteamLabel extends Timed { messages: Turn[]; harm: number | null; success: boolean | null; tags: string[]; comment: string }
export interface ReviewLabel extends Timed { verdict: 'good' | 'fix' | 'reject' | null; comment: string; content?: string }
export type Label = DemonstrationLabel | DialogueLabel | RankingLabel | RedteamLabel | ReviewLabel;

export interface Task {
  id: string; project: string; kind: Kind; item: string; messages: Turn[]; answers: Answer[]; draft: Label | null; expires: number;
  warning: string; suggestion: string;
}

export interface StoredLabel {
  id: string; item: string; kind: Kind; person: string; name: string; created: number; label: Label; gold?: boolean;
  adjudicated?: boolean; messages: Turn[]; answers: Answer[];
  history?: { time: number; person: string; name: string; why: string; label: Label }[];
}

export interface Agreement {
  pairs: { percent: number; low: number; high: number; pairs: number } | null; alpha: number | null; tau: number | null;
  by_labeler: { person: string; name: string; labels: number; percent: number | null; gold: number | null; seconds: number }[];
  by_criterion: { name: string; alpha: number | null; percent: number | null }[];
}
export interface Disagreement { item: string; messages: Turn[]; answers: Answer[]; labels: StoredLabel[] }
export interface ScreenedPerson {
  person: string; name: string; gold: number | null; agreement: number | null; demonstrations: number | null; flags: number | null;
  passes: boolean | null;
}
export interface DataSet {
  hash: string; name: string; created: number; rows: number; from: { labels: number; conversations: number; people: number };
}
export type Step = 'sft' | 'reward' | 'dpo' | 'ppo';
export interface Job {
  id: string; name: string; state: 'waiting' | 'running' | 'done' | 'failed' | 'stopped'; step: string; fraction: number;
  message: string; model: string; compared_with: string; wins: number | { share: number; low: number; high: number } | null;
}
