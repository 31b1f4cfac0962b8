// What is sent to a model is named by the page (client_id): sent once more under that name, the server does not do it again but
// answers with what is there. So a call whose answer was lost is simply made once more.
import {api, ApiError} from "../../api/client";
import type {SendMessage} from "../../api/types";

const PAUSE_MS = 400;

// No crypto.randomUUID(): browsers have it over TLS and on localhost alone.
export function newClientId(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map(byte => byte.toString(16).padStart(2, "0")).join("");
}

export async function sendSafely<T>(path: string, body: Partial<SendMessage> & {client_id: string}): Promise<T> {
  try {
    return await api.post<T>(path, body);
  } catch (error) {
    if (!(error instanceof ApiError && error.network)) throw error;
    await new Promise(done => setTimeout(done, PAUSE_MS));
    return api.post<T>(path, body);
  }
}
