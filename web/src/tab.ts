// This tab's stream. A browser gives one server six HTTP/1.1 connections for all its tabs: a hidden tab that waits for nothing
// gives its own back, and takes one again when it is looked at.
import {useSyncExternalStore} from "react";
import {newTabId, TabStream} from "./api/stream";

export const stream = new TabStream(newTabId());

const HIDDEN_MS = 3000;
let wanted = false;
let busy = 0; // replies that this tab waits for
let timer: ReturnType<typeof setTimeout> | undefined;

function settle(): void {
  clearTimeout(timer);
  if (!wanted) return stream.close();
  if (!document.hidden || busy > 0) return stream.state === "waiting" ? stream.hurry() : stream.open();
  timer = setTimeout(() => stream.close(), HIDDEN_MS);
}

export function keepStream(on: boolean): void {
  wanted = on;
  settle();
}
// While something is being written for this tab, its stream stays open even where the tab is hidden.
export function setStreamBusy(count: number): void {
  busy = count;
  settle();
}
export function watchTab(): void {
  document.addEventListener("visibilitychange", settle);
  window.addEventListener("online", () => stream.hurry());
}

export function useStreamState() {
  return useSyncExternalStore(stream.watch, () => stream.state);
}
