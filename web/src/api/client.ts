// Calls of the page's own API. What fails becomes an ApiError whose message is fit to be shown; `network` tells a server
// that could not be reached (what was asked may be tried again) from one that said no.
import type {ErrorBody} from "./types";

export class ApiError extends Error {
  constructor(
    readonly status: number, // 0: the server could not be reached
    message: string,
    readonly code: string = "",
    readonly param: string = "",
    readonly retryAfter: number | null = null, // seconds
  ) {
    super(message);
    this.name = "ApiError";
  }
  get network(): boolean {
    return this.status === 0;
  }
  // The same call may work a little later.
  get retryable(): boolean {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 502;
  }
}

let csrf = "";
export function setCsrf(token: string): void {
  csrf = token;
}

// What a write of one's own making must carry.
export function csrfHeader(): Record<string, string> {
  return csrf ? {"x-loquat-csrf": csrf} : {};
}

type Gone = () => void;
const signedOut = new Set<Gone>();
// Told when an answer says that nobody is signed in any more.
export function onSignedOut(f: Gone): () => void {
  signedOut.add(f);
  return () => signedOut.delete(f);
}

async function errorOf(response: Response): Promise<ApiError> {
  let message = `${response.status} ${response.statusText}`.trim();
  let code = "", param = "";
  try {
    const {error} = (await response.json()) as ErrorBody;
    if (typeof error?.message === "string" && error.message) message = error.message;
    code = error?.code ?? "";
    param = error?.param ?? "";
  } catch {
    // A proxy's page in between: the status is all there is.
  }
  const retry = Number(response.headers.get("Retry-After"));
  return new ApiError(response.status, message, code, param, Number.isFinite(retry) && retry > 0 ? retry : null);
}

export interface CallOptions {
  signal?: AbortSignal;
  again?: boolean; // it is the second try
}

async function renewCsrf(): Promise<boolean> {
  try {
    const before = csrf;
    const response = await fetch("/api/app/session", {cache: "no-store", credentials: "same-origin"});
    csrf = ((await response.json()) as {csrf: string}).csrf;
    return csrf !== before;
  } catch {
    return false;
  }
}

export async function callRaw(method: string, path: string, body?: unknown, options: CallOptions = {}): Promise<Response> {
  const headers: Record<string, string> = method === "GET" ? {} : csrfHeader();
  const init: RequestInit = {method, headers, cache: "no-store", credentials: "same-origin"};
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(body);
  }
  if (options.signal) init.signal = options.signal;
  let response: Response;
  try {
    response = await fetch(`/api/app${path}`, init);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, "The server cannot be reached.", "network");
  }
  if (response.ok) return response;
  const failed = await errorOf(response);
  // The session was renewed in another tab: its token is fetched, and the call made once more.
  if (failed.code === "csrf" && !options.again && (await renewCsrf())) return callRaw(method, path, body, {...options, again: true});
  if (response.status === 401 && path !== "/login" && path !== "/session") signedOut.forEach(f => f());
  throw failed;
}

export async function call<T>(method: string, path: string, body?: unknown, options: CallOptions = {}): Promise<T> {
  const response = await callRaw(method, path, body, options);
  if (response.status === 204) return undefined as T;
  try {
    return (await response.json()) as T;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, "The server's answer broke off.", "network");
  }
}

export const api = {
  get: <T>(path: string, options?: CallOptions) => call<T>("GET", path, undefined, options),
  post: <T = void>(path: string, body: unknown = {}, options?: CallOptions) => call<T>("POST", path, body, options),
  put: <T = void>(path: string, body: unknown, options?: CallOptions) => call<T>("PUT", path, body, options),
  patch: <T = void>(path: string, body: unknown, options?: CallOptions) => call<T>("PATCH", path, body, options),
  delete: <T = void>(path: string, options?: CallOptions) => call<T>("DELETE", path, undefined, options),
};

// "?a=1&b=x" of what is set; "" of nothing.
export function query(values: Record<string, string | number | boolean | null | undefined>): string {
  const out = new URLSearchParams();
  for (const [key, value] of Object.entries(values)) {
    if (value !== undefined && value !== null && value !== "") out.set(key, String(value));
  }
  const text = out.toString();
  return text ? `?${text}` : "";
}

// Hands a file to the browser's downloads.
export function saveFile(name: string, content: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
export async function download(path: string, fallback: string): Promise<void> {
  const response = await callRaw("GET", path);
  const named = /filename="?([^";]+)"?/.exec(response.headers.get("Content-Disposition") ?? "");
  saveFile(named?.[1] ?? fallback, await response.blob());
}
