// What becomes of a submission: it arrived, it was refused for good, or nobody knows and it may be tried again. Pure, so that
// "never lost, never doubled" can be tested.
import {ApiError} from "../../api/client";

export type Refusal = "late" | "submitted" | "closed" | "gone";
export type Sending =
  | {state: "idle"}
  | {state: "sending"}
  | {state: "refused"; why: Refusal}
  | {state: "unsent"; network: boolean; message: string};

// `maybeArrived`: an earlier try of this very label broke off, so the server may have it already; that it has been submitted is
// then good news. Anything but a refusal leaves the label where it is, to be tried again.
export function afterFailure(error: unknown, maybeArrived: boolean): Sending | "arrived" {
  if (!(error instanceof ApiError)) return {state: "unsent", network: false, message: error instanceof Error ? error.message : String(error)};
  if (error.status === 409 && error.code === "submitted") return maybeArrived ? "arrived" : {state: "refused", why: "submitted"};
  if (error.status === 409 && (error.code === "late" || error.code === "closed")) return {state: "refused", why: error.code};
  if (error.status === 404) return {state: "refused", why: "gone"};
  return {state: "unsent", network: error.network, message: error.message};
}

// Could the server have taken a label whose sending ended in this error?
export function mayHaveArrived(error: unknown): boolean {
  return error instanceof ApiError && (error.network || error.status >= 500);
}
