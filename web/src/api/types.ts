// What the server and the page agree on: docs/page-api.md, row by row. Times are whole seconds since 1970.

export type Role = "user" | "labeler" | "red_teamer" | "reviewer" | "admin";
export const ROLES: readonly Role[] = ["user", "labeler", "red_teamer", "reviewer", "admin"];

export interface ErrorBody {
  error: {message: string; type: string; param: string | null; code: string | null};
}

// --- session and people
export interface Settings {
  language: "en" | "zh" | "";
  theme: "light" | "dark" | "";
  may_review: boolean;
  may_train: boolean;
  asked: boolean;
}
export interface Me {
  id: string;
  name: string;
  email: string;
  roles: Role[];
}
export interface Session {
  mode: "local" | "team";
  person: Me | null;
  settings: Settings;
  csrf: string;
  oidc: {name: string} | null;
}
export interface Person extends Me {
  created: number;
  seen: number | null;
  disabled: boolean;
}
export interface Erased {
  conversations: number;
  labels: number;
  datasets: {hash: string; name: string}[];
  models: string[];
}
export interface Invitation {
  id: string;
  link?: string; // shown once, in the answer to POST
  email?: string;
  roles: Role[];
  days?: number;
  note?: string;
  created?: number;
  expires?: number;
  used?: number | null;
}
export interface AuditEntry {
  id: string;
  time: number;
  person: string;
  name: string;
  action: string;
  object: string;
  about?: string; // whose chats were read
  detail: unknown;
}
// Somebody read the caller's own chats.
export interface Reading {
  id: string;
  time: number;
  name: string;
  action: "list_conversations" | "read_conversation" | "use_conversation";
  conversation: string; // "" of a list
  title: string;
  conversations: number; // that a list showed
}

// --- models
export interface Model {
  id: string;
  kind: "local" | "remote";
  loaded: boolean;
  context?: number;
  hash?: string;
}
export interface ModelList {
  models: Model[];
  default: string;
}
export interface Remote {
  id: string;
  url: string;
  model: string;
  key?: string; // only ever sent, never answered
  allow_private?: boolean;
  trouble?: string; // why its key cannot be used
}

// --- conversations
export interface Sampling {
  temperature?: number;
  top_p?: number;
  top_k?: number;
  min_p?: number;
  max_tokens?: number;
  seed?: number;
  frequency_penalty?: number;
  presence_penalty?: number;
  enable_thinking?: boolean;
}
export interface ConversationRow {
  id: string;
  title: string;
  pinned: boolean;
  model: string;
  created: number;
  updated: number;
  snippet?: string; // the hit stands between U+0001 and U+0002
}
export interface ConversationHead extends ConversationRow {
  system: string;
  sampling: Sampling;
  current: string | null;
}
export interface Conversation extends ConversationHead {
  messages: Message[];
}
export interface ToolCall {
  id: string;
  name: string;
  arguments: string;
}
export type MessageState = "writing" | "done" | "stopped" | "cut" | "failed";
export interface Message {
  id: string;
  parent: string | null;
  role: "user" | "assistant";
  content: string;
  reasoning: string;
  tool_calls: ToolCall[];
  files: {name: string; bytes: number}[];
  model: string;
  model_hash: string;
  sampling: Sampling;
  state: MessageState;
  error: string;
  created: number;
  usage: {prompt_tokens: number; completion_tokens: number; cached_tokens: number} | null;
  seconds: {first: number; total: number} | null;
  feedback: Feedback | null;
  client_id?: string;
}
export interface SendMessage {
  parent: string | null;
  content: string;
  files?: {name: string; text: string}[];
  tab: string;
  model?: string;
  reply?: boolean;
  client_id?: string; // sent again under the same, it is not done again
}
export interface ImportResult {
  imported: number;
  skipped: {index: number; why: string}[];
}

// --- the stream
export interface StreamEvents {
  hello: {tab: string};
  snapshot: {conversation: string; message: Message};
  delta: {conversation: string; message: string; content?: string; reasoning?: string};
  done: {conversation: string; message: Message};
  title: {conversation: string; title: string};
  job: {job: Job};
}

// --- feedback
export const PAPER_FLAGS = [
  "fails_task", "inappropriate", "hallucination", "ignores_constraint", "sexual", "violent", "encourages_harm", "denigrates",
  "harmful_advice", "opinion", "moral_judgment",
] as const;
export const CHAT_FLAGS = [...PAPER_FLAGS, "not_honest_about_ai", "should_have_asked", "other"] as const;
export type Flag = (typeof CHAT_FLAGS)[number];
export interface Feedback {
  thumb: "up" | "down" | null;
  flags: Flag[];
  comment: string;
  better: string;
}
export interface Comparison {
  parent: string;
  chosen: string | null;
  others: string[];
  choice: "chosen" | "tie" | "both_bad";
}
export interface BlindPair {
  id: string;
  left: {conversation: string; message: string};
  right: {conversation: string; message: string};
}
export type BlindChoice = "left" | "right" | "tie" | "both_bad";
// The share of those won among those not tied, with its 95 % interval.
export interface WinShare {
  wins: number;
  losses: number;
  ties: number;
  share: number;
  low: number;
  high: number;
}
export interface BlindScore extends Omit<WinShare, "share" | "low" | "high"> {
  id: string;
  share: number | null; // null: nothing won and nothing lost
  low: number | null;
  high: number | null;
}

// --- review of people's chats
export interface ReviewRow {
  id: string;
  who: string; // a pseudonym
  title: string;
  model: string;
  created: number;
  updated: number;
  up: number;
  down: number;
  flagged: number;
  snippet?: string;
}
export interface ReviewedChat extends Omit<Conversation, "pinned"> {
  who: string;
  may_train: boolean;
}

// --- studio
export type ProjectKind = "demonstration" | "dialogue" | "ranking" | "redteam" | "review";
export interface Project {
  id: string;
  name: string;
  kind: ProjectKind;
  guidelines: string;
  models: string[];
  k: number;
  sampling: Sampling;
  overlap: number;
  minutes: number;
  gold_share: number;
  prefill: boolean;
  warning: string;
  criteria: string[];
  closed: boolean;
  created: number;
  counts: {prompts: number; open: number; done: number; labels: number};
}
export interface Turn {
  role: "system" | "user" | "assistant";
  content: string;
}
export interface Task {
  id: string;
  project: string;
  kind: ProjectKind;
  item: string;
  messages: Turn[];
  answers: {id: string; content: string}[];
  draft: Label | null;
  expires: number;
  warning: string;
  suggestion: string;
  prefill: boolean; // the work begins with it
}
export interface LabelSpan {
  answer: string;
  begin: number;
  end: number;
  flag: Flag;
}
export interface DemonstrationLabel {
  content: string;
  spans?: LabelSpan[];
  seconds: number;
}
export interface DialogueLabel {
  messages: Turn[];
  seconds: number;
}
export interface RankingLabel {
  ranks: Record<string, number>;
  scores: Record<string, {overall: number; criteria: Record<string, number>}>;
  flags: Record<string, Flag[]>;
  spans: LabelSpan[];
  flagged: string;
  comment: string;
  seconds: number;
}
export interface RedteamLabel {
  messages: Turn[];
  harm: number;
  success: boolean;
  tags: string[];
  comment: string;
  seconds: number;
}
export interface ReviewLabel {
  verdict: "good" | "fix" | "reject";
  comment: string;
  seconds: number;
}
export type Label = DemonstrationLabel | DialogueLabel | RankingLabel | RedteamLabel | ReviewLabel;
export interface StoredLabel {
  id: string;
  project: string;
  item: string;
  person: string;
  name: string;
  created: number;
  label: Label;
  history?: {time: number; person: string; name: string; why: string; label: Label}[];
}
export interface GoldQuestion {
  item: string;
  messages: Turn[];
  answers: {id: string; content: string}[];
  ranks: Record<string, number>;
  flags: Record<string, Flag[]>;
  retired: boolean;
  right: number | null;
  labels: {id: string; person: string; name: string; created: number; ranks: Record<string, number> | null; gold_score: number | null}[];
}
export interface AddedPrompts {
  added: number;
  duplicates: number;
  skipped: {line: number; why: string}[];
}
export interface Agreement {
  pairs: {percent: number; low: number; high: number; pairs: number};
  alpha: number | null;
  tau: number | null;
  by_labeler: {person: string; name: string; labels: number; percent: number; gold: number | null; seconds: number}[];
  by_criterion: {name: string; alpha: number | null; percent: number}[];
}
export interface Disagreement {
  item: string;
  messages: Turn[];
  answers: {id: string; content: string}[];
  labels: StoredLabel[];
}
export interface Screened {
  person: string;
  name: string;
  gold: number;
  agreement: number;
  demonstrations: number;
  flags: number;
  passes: boolean | null; // null: nothing was measured
}
export interface Dataset {
  hash: string;
  name: string;
  created: number;
  rows: number;
  from: {labels: number; conversations: number; people: number};
}
export type TrainStep = "sft" | "reward" | "dpo" | "ppo";
export interface Job {
  id: string;
  name: string;
  state: "waiting" | "running" | "done" | "failed" | "stopped";
  step: string;
  fraction: number;
  message: string;
  model: string;
  compared_with: string;
  wins: Comparison | null;
}
// The new model (right) beside the one that it came from, on the data set's prompts, judged by a reward model.
export interface Comparison extends WinShare {
  prompts: number;
  samples: {prompt: string; left: string; right: string; left_score: number; right_score: number}[];
}
