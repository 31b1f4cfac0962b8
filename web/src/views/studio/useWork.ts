// One labeler at one project: the next task, its draft as it grows, and what becomes of it. Nothing that was written is dropped
// before the server has it, and one press sends one label.
import {useCallback, useEffect, useRef, useState} from "react";
import {ApiError} from "../../api/client";
import {nextTask, putDraft, skipTask, submitDraft} from "./calls";
import {copyOf, DraftSaver, keepCopy, type SaveState} from "./drafts";
import {emptyLabel, isTouched, restore, toSend} from "./labels";
import {afterFailure, mayHaveArrived, type Refusal, type Sending} from "./submission";
import type {Draft, Task} from "./types";

export type Work =
  | {at: "loading"}
  | {at: "failed"; error: unknown}
  | {at: "none"}
  | {at: "task"; task: Task; restored: boolean};
export interface Sent {
  label: string;
  task: Task;
  draft: Draft;
}

const WAIT_MS = 1200, AGAIN_MS = 4000;

const isFinal = (error: unknown) => error instanceof ApiError && (error.status === 404 || error.status === 409);
function refusalOf(error: unknown): Refusal {
  const code = error instanceof ApiError ? error.code : "";
  return code === "late" || code === "submitted" || code === "closed" ? code : "gone";
}

// Seconds at this task while its page is looked at.
function useClock() {
  const state = useRef({seconds: 0, since: 0});
  const read = useCallback(() => state.current.seconds + (state.current.since ? (Date.now() - state.current.since) / 1000 : 0), []);
  const run = useCallback((on: boolean) => {
    state.current = {seconds: read(), since: on ? Date.now() : 0};
  }, [read]);
  const start = useCallback((from: number) => {
    state.current = {seconds: from, since: document.hidden ? 0 : Date.now()};
  }, []);
  useEffect(() => {
    const change = () => run(!document.hidden);
    document.addEventListener("visibilitychange", change);
    return () => document.removeEventListener("visibilitychange", change);
  }, [run]);
  return {read, start};
}

export function useWork(project: string) {
  const [work, setWork] = useState<Work>({at: "loading"});
  const [draft, setDraft] = useState<Draft | null>(null);
  const [saved, setSaved] = useState<SaveState>("clean");
  const [sending, setSending] = useState<Sending>({state: "idle"});
  const [sent, setSent] = useState<Sent | null>(null);
  const clock = useClock();
  const saver = useRef<DraftSaver | null>(null);
  const busy = useRef(false); // set at once, where state would let a second press through
  const maybeArrived = useRef(false);
  const latest = useRef<Draft | null>(null);
  latest.current = draft;

  const take = useCallback(async () => {
    await saver.current?.stop();
    saver.current = null;
    maybeArrived.current = false;
    setWork({at: "loading"});
    setSending({state: "idle"});
    setSaved("clean");
    try {
      const task = await nextTask(project);
      if (!task) return setWork({at: "none"});
      const copy = copyOf(task.id);
      const start = restore(task, copy ?? task.draft);
      saver.current = new DraftSaver({
        put: d => putDraft(task.id, d), keep: d => keepCopy(task.id, d), onState: setSaved, isFinal, wait: WAIT_MS, again: AGAIN_MS,
        onRefused: error => setSending({state: "refused", why: refusalOf(error)}),
      });
      setDraft(start);
      clock.start(start.seconds);
      setWork({at: "task", task, restored: isTouched(copy ?? task.draft ?? emptyLabel(task.kind))});
      if (copy) saver.current.change(start);
    } catch (error) {
      setWork({at: "failed", error});
    }
  }, [project, clock.start]);

  useEffect(() => {
    void take();
    return () => void saver.current?.flush();
  }, [take]);
  useEffect(() => {
    const hide = () => {
      if (document.hidden) void saver.current?.flush();
    };
    document.addEventListener("visibilitychange", hide);
    return () => document.removeEventListener("visibilitychange", hide);
  }, []);

  const change = useCallback((patch: Partial<Draft>) => {
    const now = latest.current;
    if (!now) return;
    const next = {...now, ...patch, seconds: Math.round(clock.read())} as Draft;
    latest.current = next; // two changes before the next render build on each other
    setDraft(next);
    saver.current?.change(next);
  }, [clock.read]);

  const submit = useCallback(async () => {
    const now = latest.current;
    if (work.at !== "task" || !now || busy.current) return;
    busy.current = true;
    setSending({state: "sending"});
    const {task} = work;
    const final = toSend(task, now, clock.read());
    keepCopy(task.id, now);
    await saver.current?.stop();
    try {
      const {label, next} = await submitDraft(task.id, final);
      keepCopy(task.id, null);
      setSent({label, task, draft: final});
      if (next) await take();
      else setWork({at: "none"});
    } catch (error) {
      const outcome = afterFailure(error, maybeArrived.current);
      maybeArrived.current ||= mayHaveArrived(error);
      if (outcome === "arrived") {
        keepCopy(task.id, null);
        setSent(null);
        await take();
      } else {
        setSending(outcome);
        if (outcome.state === "unsent") saver.current?.goOn();
      }
    } finally {
      busy.current = false;
    }
  }, [work, take, clock.read]);

  const skip = useCallback(async (reason: string) => {
    if (work.at !== "task" || busy.current) return;
    busy.current = true;
    try {
      await saver.current?.stop();
      await skipTask(work.task.id, reason);
      keepCopy(work.task.id, null);
      await take();
    } catch (error) {
      saver.current?.goOn();
      throw error;
    } finally {
      busy.current = false;
    }
  }, [work, take]);

  // Leaves a task that was refused; its copy has been shown to the person.
  const leave = useCallback(async () => {
    if (work.at === "task") keepCopy(work.task.id, null);
    await take();
  }, [work, take]);

  return {work, draft, change, saved, sending, submit, skip, leave, take, sent, forgetSent: () => setSent(null), seconds: clock.read};
}
