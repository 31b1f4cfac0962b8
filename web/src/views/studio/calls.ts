// The studio's calls that more than one view makes.
import {api, ApiError} from "../../api/client";
import {fill, useText} from "../../i18n";
import {common} from "../../i18n/common";
import type {Draft, Task, Turn} from "./types";

const path = (...parts: string[]) => parts.map(part => `/${encodeURIComponent(part)}`).join("");

export const nextTask = (project: string) => api.post<Task | undefined>(`${path("projects", project)}/next`);
export const submitDraft = (task: string, draft: Draft) => api.post<{label: string; next: boolean}>(`${path("tasks", task)}/submit`, draft);
export const putDraft = (task: string, draft: Draft) => api.put(`${path("tasks", task)}/draft`, draft);
export const skipTask = (task: string, reason: string) => api.post(`${path("tasks", task)}/skip`, {reason});
export const suggest = (task: string, messages: readonly Turn[]) =>
  api.post<{suggestions: string[]}>(`${path("tasks", task)}/suggest`, {messages});
export const attack = (task: string, messages: readonly Turn[]) => api.post<{reply: string}>(`${path("tasks", task)}/attack`, {messages});

// Says to a person why a call failed.
export function useWhy(): (error: unknown) => string {
  const t = useText(common);
  return error => {
    if (error instanceof ApiError && error.network) return t.offline;
    return fill(t.failed, {why: error instanceof Error ? error.message : String(error)});
  };
}
