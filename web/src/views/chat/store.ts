// Conversations as this tab holds them. What comes on the stream is put together here; views are told at most once a frame.
// A send that failed is kept (in sessionStorage too) with the name that it was sent under (resend.ts), so that nothing is lost
// or doubled.
import {api, ApiError} from "../../api/client";
import type {Conversation, ConversationHead, Message, Sampling, SendMessage} from "../../api/types";
import {setStreamBusy, stream} from "../../tab";
import {newClientId, sendSafely} from "./resend";
import {makeTree, newestLeaf, pathTo, type Tree} from "./tree";

export interface Attached {
  name: string;
  text: string;
}
export interface Pending {
  key: string; // its client_id
  parent: string | null;
  content: string;
  files: Attached[];
  model: string;
  state: "sending" | "failed";
  error: string;
}
export interface ComparePair {
  parent: string;
  before: string;
  after: string;
}
export interface ConversationState {
  id: string;
  conversation: Conversation | null;
  tree: Tree;
  path: Message[];
  pending: Pending[];
  error: ApiError | null; // it could not be loaded
  compare: ComparePair | null;
  asked: string; // the last reply that this tab asked for; it may come complete
}

const emptyTree = makeTree([]);

function schedule(f: () => void): void {
  if (typeof requestAnimationFrame === "function" && !document.hidden) requestAnimationFrame(f);
  else setTimeout(f, 150);
}

export class ConversationStore {
  private state: ConversationState;
  private watchers = new Set<() => void>();
  private dirty = false;
  private ours = new Set<string>(); // replies whose pieces come on this tab's stream
  private early = new Map<string, {content: string; reasoning: string; done: Message | null}>(); // came before the call's answer
  private poll: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly id: string) {
    this.state = {id, conversation: null, tree: emptyTree, path: [], pending: this.storedPending(), error: null, compare: null, asked: ""};
  }

  watch = (f: () => void): (() => void) => {
    this.watchers.add(f);
    return () => this.watchers.delete(f);
  };
  get = (): ConversationState => this.state;

  private change(part: Partial<ConversationState>): void {
    this.state = {...this.state, ...part};
    const {conversation} = this.state;
    if (conversation && "conversation" in part) {
      const tree = makeTree(conversation.messages);
      const leaf = conversation.current !== null && tree.byId.has(conversation.current) ? conversation.current : newestLeaf(tree, null);
      this.state = {...this.state, tree, path: pathTo(tree, leaf)};
    }
    if (this.dirty) return;
    this.dirty = true;
    schedule(() => {
      this.dirty = false;
      this.watchers.forEach(f => f());
    });
  }

  async load(): Promise<void> {
    try {
      const fresh = await api.get<Conversation>(`/conversations/${encodeURIComponent(this.id)}`);
      this.merge(fresh);
      this.adoptPending();
      this.change({error: null});
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (!this.state.conversation || error.status === 404) this.change({error, ...(error.status === 404 ? {conversation: null} : {})});
    }
  }

  // The server's word stands, but for a reply whose pieces this tab receives: that is ahead of it here.
  private merge(fresh: Conversation): void {
    const mine = this.state.tree.byId;
    const messages = fresh.messages.map(message => {
      const here = mine.get(message.id);
      return message.state === "writing" && this.ours.has(message.id) && here ? here : message;
    });
    this.change({conversation: {...fresh, messages}});
    this.settle();
  }

  private settle(): void {
    const writing = this.state.conversation?.messages.filter(message => message.state === "writing") ?? [];
    chatStore.busy(this.id, writing.length);
    clearTimeout(this.poll);
    // Written for another tab, or for this page before it was loaded again: asked for now and then.
    if (writing.some(message => !this.ours.has(message.id))) this.poll = setTimeout(() => void this.load(), 1000);
  }

  private put(messages: Message[], current?: string): void {
    const {conversation} = this.state;
    if (!conversation) return;
    const byId = new Map(messages.map(message => [message.id, message]));
    const next = conversation.messages.map(message => {
      const replaced = byId.get(message.id);
      byId.delete(message.id);
      return replaced ?? message;
    });
    this.change({conversation: {...conversation, messages: [...next, ...byId.values()], current: current ?? conversation.current}});
    this.settle();
  }

  // --- what comes on the stream
  onSnapshot(message: Message): void {
    this.ours.add(message.id);
    if (this.state.tree.byId.has(message.id)) this.put([message]);
    else this.early.set(message.id, {content: message.content, reasoning: message.reasoning, done: null});
  }
  onDelta(id: string, content: string, reasoning: string): void {
    this.ours.add(id);
    const message = this.state.tree.byId.get(id);
    if (message) {
      if (message.state === "writing") this.put([{...message, content: message.content + content, reasoning: message.reasoning + reasoning}]);
      return;
    }
    const early = this.early.get(id) ?? {content: "", reasoning: "", done: null};
    this.early.set(id, {...early, content: early.content + content, reasoning: early.reasoning + reasoning});
  }
  onDone(message: Message): void {
    if (this.state.tree.byId.has(message.id)) this.put([message]);
    else this.early.set(message.id, {content: "", reasoning: "", done: message});
  }
  onTitle(title: string): void {
    if (this.state.conversation) this.change({conversation: {...this.state.conversation, title}});
  }
  // The stream is back: what ended meanwhile has no snapshot, and is read.
  onReconnected(): void {
    this.ours.clear(); // the snapshots that follow say which replies are still written for this tab
    if (this.state.conversation?.messages.some(message => message.state === "writing")) {
      setTimeout(() => void this.load(), 300);
    } else if (this.state.error?.network || this.state.pending.length) void this.load();
  }

  private begun(reply: Message): Message {
    const early = this.early.get(reply.id);
    this.early.delete(reply.id);
    this.ours.add(reply.id);
    this.change({asked: reply.id});
    if (early?.done) return early.done;
    return early && reply.state === "writing" ? {...reply, content: early.content, reasoning: early.reasoning} : reply;
  }

  // --- what the person does
  async send(parent: string | null, content: string, files: Attached[], model: string): Promise<void> {
    const pending: Pending = {key: newClientId(), parent, content, files, model, state: "sending", error: ""};
    this.setPending([...this.state.pending, pending]);
    await this.post(pending);
  }
  async sendAgain(key: string): Promise<void> {
    const pending = this.state.pending.find(p => p.key === key);
    if (!pending || pending.state === "sending") return;
    this.setPending(this.state.pending.map(p => p.key === key ? {...p, state: "sending", error: ""} : p));
    await this.post(pending);
    if (!this.state.conversation) await this.load(); // what it belongs to was not there yet
  }
  discard(key: string): void {
    this.setPending(this.state.pending.filter(p => p.key !== key));
  }

  private async post(pending: Pending): Promise<void> {
    const body: SendMessage = {parent: pending.parent, content: pending.content, tab: stream.tab};
    if (pending.files.length) body.files = pending.files;
    if (pending.model) body.model = pending.model;
    chatStore.busy(this.id, 1);
    try {
      const {user, reply} = await sendSafely<{user: Message; reply: Message | null}>(`/conversations/${encodeURIComponent(this.id)}/messages`, pending.key, body);
      this.setPending(this.state.pending.filter(p => p.key !== pending.key));
      const begun = reply && this.begun(reply);
      this.put(begun ? [user, begun] : [user], begun?.id ?? user.id);
    } catch (error) {
      this.failed(pending.key, error);
      // It may have been taken all the same.
      if (error instanceof ApiError && error.network) void this.load();
    }
    this.settle();
  }
  private failed(key: string, error: unknown): void {
    this.setPending(this.state.pending.map(p => p.key === key ? {...p, state: "failed", error: error instanceof Error ? error.message : String(error)} : p));
  }
  private adoptPending(): void {
    const there = new Set(this.state.conversation?.messages.map(message => message.client_id));
    const rest = this.state.pending.filter(pending => pending.state === "sending" || !there.has(pending.key));
    if (rest.length !== this.state.pending.length) this.setPending(rest);
  }

  private get pendingKey(): string {
    return `loquat-pending:${this.id}`;
  }
  private setPending(pending: Pending[]): void {
    this.change({pending});
    try {
      if (pending.length) sessionStorage.setItem(this.pendingKey, JSON.stringify(pending));
      else sessionStorage.removeItem(this.pendingKey);
    } catch {
      // Full or forbidden: it is kept in memory at least.
    }
  }
  private storedPending(): Pending[] {
    try {
      // What was on its way when the page was left may or may not have arrived: load() finds out.
      return (JSON.parse(sessionStorage.getItem(this.pendingKey) ?? "[]") as Pending[]).map(p => ({...p, state: "failed" as const}));
    } catch {
      return [];
    }
  }

  private askFor(parent: string, model: string): Promise<{reply: Message}> {
    return sendSafely(`/conversations/${encodeURIComponent(this.id)}/replies`, newClientId(), {parent, tab: stream.tab, ...(model ? {model} : {})});
  }
  async regenerate(reply: Message, model: string): Promise<void> {
    if (reply.parent === null) return;
    chatStore.busy(this.id, 1);
    try {
      const answer = await this.askFor(reply.parent, model);
      const begun = this.begun(answer.reply);
      this.put([begun], begun.id);
      if (reply.state !== "failed") this.change({compare: {parent: reply.parent, before: reply.id, after: begun.id}});
    } finally {
      this.settle();
    }
  }
  // A reply to a message that has none (the first was lost or failed).
  async answer(parent: string, model: string): Promise<void> {
    const answer = await this.askFor(parent, model);
    const begun = this.begun(answer.reply);
    this.put([begun], begun.id);
  }
  async stop(message: string): Promise<void> {
    await api.post(`/conversations/${encodeURIComponent(this.id)}/messages/${encodeURIComponent(message)}/stop`);
  }
  show(message: string): void {
    const {conversation, tree} = this.state;
    if (!conversation) return;
    const current = newestLeaf(tree, message);
    this.change({conversation: {...conversation, current}, compare: null});
    api.patch(`/conversations/${encodeURIComponent(this.id)}`, {current}).catch(() => {}); // only where the person was: not worth a word
  }
  async judge(choice: "before" | "after" | "tie" | "both_bad"): Promise<void> {
    const pair = this.state.compare;
    if (!pair) return;
    const chosen = choice === "both_bad" || choice === "tie" ? null : choice === "before" ? pair.before : pair.after;
    await api.post(`/conversations/${encodeURIComponent(this.id)}/comparisons`,
      {parent: pair.parent, chosen, others: chosen ? [chosen === pair.before ? pair.after : pair.before] : [pair.before, pair.after], choice: chosen ? "chosen" : choice});
    this.change({compare: null});
    if (choice === "before") this.show(pair.before);
  }
  dismissCompare(): void {
    this.change({compare: null});
  }
  replace(message: Message): void {
    this.put([message]);
  }
  async patch(change: Partial<Pick<ConversationHead, "title" | "pinned" | "system" | "model" | "sampling">>): Promise<void> {
    const head = await api.patch<ConversationHead>(`/conversations/${encodeURIComponent(this.id)}`, change);
    const {conversation} = this.state;
    if (conversation) this.change({conversation: {...conversation, ...change, title: head.title, updated: head.updated}});
  }
  start(conversation: ConversationHead): void {
    this.change({conversation: {...conversation, messages: []}});
  }
}

const MOST_HELD = 12;

class ChatStore {
  private held = new Map<string, ConversationStore>();
  private writing = new Map<string, number>();
  private listeners = new Set<() => void>();
  private greeted = false;

  constructor() {
    stream.on("snapshot", ({conversation, message}) => this.held.get(conversation)?.onSnapshot(message));
    stream.on("delta", ({conversation, message, content = "", reasoning = ""}) => this.held.get(conversation)?.onDelta(message, content, reasoning));
    stream.on("done", ({conversation, message}) => {
      this.held.get(conversation)?.onDone(message);
      this.listChanged();
    });
    stream.on("title", ({conversation, title}) => {
      this.held.get(conversation)?.onTitle(title);
      this.listChanged();
    });
    stream.on("hello", () => {
      if (this.greeted) for (const store of this.held.values()) store.onReconnected();
      this.greeted = true;
    });
  }

  of(id: string): ConversationStore {
    let store = this.held.get(id);
    if (store) this.held.delete(id); // used last: at the end
    else store = new ConversationStore(id);
    this.held.set(id, store);
    for (const [old] of this.held) {
      if (this.held.size <= MOST_HELD) break;
      if (!this.writing.get(old) && old !== id) this.held.delete(old);
      else break;
    }
    return store;
  }
  forget(id: string): void {
    this.held.delete(id);
    this.busy(id, 0);
    this.listChanged();
  }
  busy(id: string, count: number): void {
    if (count) this.writing.set(id, count);
    else this.writing.delete(id);
    setStreamBusy([...this.writing.values()].reduce((sum, n) => sum + n, 0));
  }
  // The list of conversations is no longer what it was.
  listChanged(): void {
    this.listeners.forEach(f => f());
  }
  onListChanged(f: () => void): () => void {
    this.listeners.add(f);
    return () => this.listeners.delete(f);
  }
}
export const chatStore = new ChatStore();

export interface NewConversation {
  system: string;
  sampling: Sampling;
  model: string;
}
export async function createConversation(options: NewConversation): Promise<ConversationStore> {
  const body: Record<string, unknown> = {};
  if (options.system) body.system = options.system;
  if (options.model) body.model = options.model;
  if (Object.keys(options.sampling).length) body.sampling = options.sampling;
  const head = await api.post<ConversationHead>("/conversations", body);
  const store = chatStore.of(head.id);
  store.start(head);
  return store;
}

// Drafts live as long as the tab.
export interface Draft {
  text: string;
  files: Attached[];
}
export function loadDraft(id: string): Draft {
  try {
    const draft = JSON.parse(sessionStorage.getItem(`loquat-draft:${id}`) ?? "") as Draft;
    return {text: String(draft.text), files: Array.isArray(draft.files) ? draft.files : []};
  } catch {
    return {text: "", files: []};
  }
}
export function saveDraft(id: string, draft: Draft): void {
  try {
    if (draft.text || draft.files.length) sessionStorage.setItem(`loquat-draft:${id}`, JSON.stringify(draft));
    else sessionStorage.removeItem(`loquat-draft:${id}`);
  } catch {
    // Too large for the browser's storage: it stays on the page.
  }
}
