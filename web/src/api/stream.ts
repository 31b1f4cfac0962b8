// One event stream per tab carries all that is written for it. It is read with fetch, not EventSource: the server's comments
// every 15 s are seen, so that a connection that died in silence is noticed, and a status (401) is too. A stream that broke is
// opened again, sooner at first; `snapshot` events bring back what was being written.
import type {StreamEvents} from "./types";

export interface SseEvent {
  event: string;
  data: string;
}

// Server-sent events out of bytes in any pieces. Comments only show that the line lives.
export class SseParser {
  private rest = "";
  private event = "";
  private data: string[] = [];

  push(text: string): SseEvent[] {
    this.rest += text;
    const out: SseEvent[] = [];
    for (;;) {
      // A CR at the very end may be half of a CRLF.
      const end = this.rest.search(/\r\n|\n|\r(?!$)/);
      if (end < 0) return out;
      const line = this.rest.slice(0, end);
      this.rest = this.rest.slice(end + (this.rest.startsWith("\r\n", end) ? 2 : 1));
      if (line === "") {
        if (this.data.length) out.push({event: this.event || "message", data: this.data.join("\n")});
        this.event = "";
        this.data = [];
        continue;
      }
      const colon = line.indexOf(":");
      if (colon === 0) continue;
      const field = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
      if (field === "event") this.event = value;
      else if (field === "data") this.data.push(value);
    }
  }
}

export type StreamState = "closed" | "connecting" | "open" | "waiting";
type Handler<K extends keyof StreamEvents> = (data: StreamEvents[K]) => void;

export interface StreamParts {
  fetch: (path: string, init: RequestInit) => Promise<Response>;
  delay: (ms: number, f: () => void) => () => void; // → cancels it
}
const browserParts: StreamParts = {
  fetch: (path, init) => fetch(path, init),
  delay: (ms, f) => {
    const id = setTimeout(f, ms);
    return () => clearTimeout(id);
  },
};

const SILENCE_MS = 40_000; // more than two of the server's comments
const WAITS_MS = [500, 1000, 2000, 4000, 8000, 15_000];

export function newTabId(): string {
  // crypto.randomUUID is missing where a page comes over plain HTTP from another machine.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, b => b.toString(16).padStart(2, "0")).join("");
}

export class TabStream {
  private handlers = new Map<string, Set<(data: never) => void>>();
  private watchers = new Set<() => void>();
  private state_: StreamState = "closed";
  private attempt = 0;
  private control: AbortController | null = null;
  private cancelWait: (() => void) | null = null;

  constructor(readonly tab: string, private readonly parts: StreamParts = browserParts) {}

  get state(): StreamState {
    return this.state_;
  }
  on<K extends keyof StreamEvents>(event: K, handler: Handler<K>): () => void {
    let set = this.handlers.get(event);
    if (!set) this.handlers.set(event, (set = new Set()));
    set.add(handler as (data: never) => void);
    return () => set.delete(handler as (data: never) => void);
  }
  // For useSyncExternalStore.
  watch = (f: () => void): (() => void) => {
    this.watchers.add(f);
    return () => this.watchers.delete(f);
  };

  open(): void {
    if (this.state_ === "connecting" || this.state_ === "open") return;
    this.cancelWait?.();
    this.cancelWait = null;
    void this.read();
  }
  close(): void {
    this.cancelWait?.();
    this.cancelWait = null;
    this.control?.abort();
    this.control = null;
    this.attempt = 0;
    this.become("closed");
  }
  // The network is said to be back: no more waiting.
  hurry(): void {
    if (this.state_ !== "waiting") return;
    this.attempt = 0;
    this.open();
  }

  private become(state: StreamState): void {
    if (this.state_ === state) return;
    this.state_ = state;
    this.watchers.forEach(f => f());
  }

  private async read(): Promise<void> {
    const control = new AbortController();
    this.control = control;
    this.become("connecting");
    let cancelSilence: () => void = () => {};
    const alive = () => {
      cancelSilence();
      cancelSilence = this.parts.delay(SILENCE_MS, () => control.abort());
    };
    try {
      alive();
      const response = await this.parts.fetch(`/api/app/stream?tab=${encodeURIComponent(this.tab)}`, {
        signal: control.signal, cache: "no-store", credentials: "same-origin", headers: {Accept: "text/event-stream"},
      });
      if (response.ok && response.body) await this.readBody(response.body, alive);
    } catch {
      // Broken off, refused or silent: tried again below.
    }
    cancelSilence();
    if (this.control !== control) return; // closed meanwhile, or opened anew
    const wait = WAITS_MS[Math.min(this.attempt, WAITS_MS.length - 1)]!;
    ++this.attempt;
    this.become("waiting");
    this.cancelWait = this.parts.delay(wait * (0.75 + 0.5 * Math.random()), () => this.open());
  }

  private async readBody(body: ReadableStream<Uint8Array>, alive: () => void): Promise<void> {
    const reader = body.getReader();
    const decoder = new TextDecoder();
    const parser = new SseParser();
    for (;;) {
      const {done, value} = await reader.read();
      if (done) return;
      alive();
      for (const {event, data} of parser.push(decoder.decode(value, {stream: true}))) this.emit(event, data);
    }
  }

  private emit(event: string, data: string): void {
    let parsed: unknown;
    try {
      parsed = JSON.parse(data);
    } catch {
      return;
    }
    if (event === "hello") {
      this.attempt = 0;
      this.become("open");
    }
    this.handlers.get(event)?.forEach(f => f(parsed as never));
  }
}
