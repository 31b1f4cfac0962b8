import {afterEach, beforeEach, describe, expect, it, vi} from "vitest";
import {ApiError} from "../../api/client";
import {copyOf, DraftSaver, keepCopy, type SaverParts, type Shelf} from "./drafts";
import {afterFailure, mayHaveArrived} from "./submission";
import type {Draft} from "./types";

const draft = (content: string): Draft => ({content, seconds: 1});
function memory(): Shelf {
  const all = new Map<string, string>();
  return {getItem: key => all.get(key) ?? null, setItem: (key, value) => void all.set(key, value), removeItem: key => void all.delete(key)};
}

describe("DraftSaver", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());
  function saver(put: SaverParts["put"]) {
    const kept: (Draft | null)[] = [];
    const states: string[] = [];
    const refused = vi.fn();
    const it = new DraftSaver({
      put, keep: d => kept.push(d), onState: s => states.push(s), onRefused: refused,
      isFinal: e => e instanceof ApiError && e.status === 409, wait: 1000, again: 5000,
    });
    return {it, kept, states, refused};
  }

  it("saves once, a little after the last of several changes", async () => {
    const put = vi.fn(async () => {});
    const {it: s, kept, states} = saver(put);
    s.change(draft("a"));
    await vi.advanceTimersByTimeAsync(900);
    s.change(draft("ab"));
    await vi.advanceTimersByTimeAsync(1000);
    expect(put.mock.calls).toEqual([[draft("ab")]]);
    expect(states.at(-1)).toBe("saved");
    expect(kept.at(-1)).toBeNull();
  });
  it("never has two calls under way, and saves what was written during one", async () => {
    let open = 0, most = 0;
    const put = vi.fn(async () => {
      most = Math.max(most, ++open);
      await new Promise(done => setTimeout(done, 3000));
      --open;
    });
    const {it: s, kept} = saver(put);
    s.change(draft("a"));
    await vi.advanceTimersByTimeAsync(1500);
    s.change(draft("b"));
    await vi.advanceTimersByTimeAsync(20_000);
    expect(most).toBe(1);
    expect(put.mock.calls.map(([d]: unknown[]) => (d as {content: string}).content)).toEqual(["a", "b"]);
    expect(kept.at(-1)).toBeNull();
  });
  it("keeps a copy while the server is away and tries again", async () => {
    let away = true;
    const put = vi.fn(async () => { if (away) throw new ApiError(0, "away"); });
    const {it: s, kept, states} = saver(put);
    s.change(draft("a"));
    await vi.advanceTimersByTimeAsync(1000);
    expect(states.at(-1)).toBe("kept");
    expect(kept.at(-1)).toEqual(draft("a"));
    away = false;
    await vi.advanceTimersByTimeAsync(5000);
    expect(states.at(-1)).toBe("saved");
    expect(kept.at(-1)).toBeNull();
  });
  it("sends nothing after a refusal, and keeps the copy", async () => {
    const put = vi.fn(async () => { throw new ApiError(409, "late", "late"); });
    const {it: s, kept, refused} = saver(put);
    s.change(draft("a"));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(put).toHaveBeenCalledTimes(1);
    expect(refused).toHaveBeenCalledTimes(1);
    expect(kept.at(-1)).toEqual(draft("a"));
  });
  it("is silent once a submission took over", async () => {
    const put = vi.fn(async () => {});
    const {it: s} = saver(put);
    s.change(draft("a"));
    await s.stop();
    s.change(draft("b"));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(put).not.toHaveBeenCalled();
  });
});

describe("the copy in this browser", () => {
  it("comes back, and goes", () => {
    const where = memory();
    keepCopy("t", draft("渡船"), where);
    expect(copyOf("t", where)).toEqual(draft("渡船"));
    keepCopy("t", null, where);
    expect(copyOf("t", where)).toBeNull();
  });
  it("does not mind rubbish, a full shelf, or none", () => {
    const where = memory();
    for (const rubbish of ["{", "[1]", "3", "null"]) {
      where.setItem("loquat.draft.t", rubbish);
      expect(copyOf("t", where)).toBeNull();
    }
    const full: Shelf = {...memory(), setItem: () => { throw new Error("full"); }};
    expect(() => keepCopy("t", draft("a"), full)).not.toThrow();
    expect(copyOf("t", null)).toBeNull();
  });
});

describe("a failed submission", () => {
  it("that may have arrived is not sent twice as new", () => {
    const already = new ApiError(409, "submitted", "submitted");
    expect(afterFailure(already, true)).toBe("arrived");
    expect(afterFailure(already, false)).toEqual({state: "refused", why: "submitted"});
    expect(mayHaveArrived(new ApiError(0, "away"))).toBe(true);
    expect(mayHaveArrived(new ApiError(502, "proxy"))).toBe(true);
    expect(mayHaveArrived(new ApiError(400, "bad"))).toBe(false);
  });
  it("is told apart: late, closed, taken away, or to be tried again", () => {
    expect(afterFailure(new ApiError(409, "", "late"), true)).toEqual({state: "refused", why: "late"});
    expect(afterFailure(new ApiError(409, "", "closed"), false)).toEqual({state: "refused", why: "closed"});
    expect(afterFailure(new ApiError(404, ""), false)).toEqual({state: "refused", why: "gone"});
    expect(afterFailure(new ApiError(0, "away"), false)).toEqual({state: "unsent", network: true, message: "away"});
    expect(afterFailure(new ApiError(400, "no ranks"), false)).toEqual({state: "unsent", network: false, message: "no ranks"});
  });
});
