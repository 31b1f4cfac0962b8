// Saves a draft as its person writes: a little after the last change, one call at a time, again and again while the server is
// away. Until the server has it, a copy lies in this browser, so that a closed tab loses nothing either.
import type {Draft} from "./types";

export type SaveState = "clean" | "unsaved" | "saving" | "saved" | "kept";
const PREFIX = "loquat.draft.";

export interface Shelf {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}
function shelf(): Shelf | null {
  try {
    return window.localStorage; // throws where a browser forbids it
  } catch {
    return null;
  }
}

export function keepCopy(task: string, draft: Draft | null, where: Shelf | null = shelf()): void {
  try {
    if (draft === null) where?.removeItem(PREFIX + task);
    else where?.setItem(PREFIX + task, JSON.stringify(draft));
  } catch {
    // Full or forbidden: the server's draft is what remains.
  }
}
export function copyOf(task: string, where: Shelf | null = shelf()): Draft | null {
  try {
    const text = where?.getItem(PREFIX + task);
    const draft: unknown = text ? JSON.parse(text) : null;
    return typeof draft === "object" && draft !== null && !Array.isArray(draft) ? (draft as Draft) : null;
  } catch {
    return null;
  }
}

export interface SaverParts {
  put: (draft: Draft) => Promise<void>;
  keep: (draft: Draft | null) => void;
  onState: (state: SaveState) => void;
  onRefused: (error: unknown) => void; // the server will never take it
  isFinal: (error: unknown) => boolean;
  wait: number; // ms after the last change
  again: number; // ms until the next try where the server is away
}

export class DraftSaver {
  private next: Draft | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private flying: Promise<void> | null = null;
  private stopped = false;

  constructor(private readonly parts: SaverParts) {}

  change(draft: Draft): void {
    if (this.stopped) return;
    this.next = draft;
    this.parts.keep(draft);
    this.parts.onState("unsaved");
    this.later(this.parts.wait);
  }
  // Saves now what is not saved. Ends when nothing is under way.
  async flush(): Promise<void> {
    clearTimeout(this.timer);
    if (this.flying) await this.flying;
    if (this.next === null || this.stopped) return;
    this.flying = this.save(this.next);
    await this.flying;
  }
  // No draft is sent after this (a submission takes over); ends when none is under way, so that none can overtake it.
  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.flying;
  }
  goOn(): void {
    this.stopped = false;
    if (this.next !== null) this.later(this.parts.wait);
  }

  private later(ms: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.flush(), ms);
  }
  private async save(draft: Draft): Promise<void> {
    this.parts.onState("saving");
    try {
      await this.parts.put(draft);
      if (this.next === draft) {
        this.next = null;
        this.parts.keep(null);
        this.parts.onState("saved");
      }
    } catch (error) {
      this.parts.onState("kept");
      if (this.parts.isFinal(error)) {
        this.stopped = true;
        this.parts.onRefused(error);
      } else if (!this.stopped) {
        this.later(this.parts.again);
      }
    }
    this.flying = null;
  }
}
