import {afterEach, describe, expect, it, vi} from "vitest";
import type {Message} from "../../api/types";
import {newClientId, sendSafely} from "./resend";
import {ConversationStore} from "./store";

const answers: (object | Error)[] = [];
const sent: {path: string; body: Record<string, unknown>}[] = [];
vi.stubGlobal("fetch", async (path: string, init: RequestInit) => {
  sent.push({path, body: init.body ? JSON.parse(String(init.body)) as Record<string, unknown> : {}});
  const answer = answers.shift() ?? new TypeError("Failed to fetch");
  if (answer instanceof Error) throw answer;
  const {status = 200, ...body} = answer as {status?: number};
  return new Response(JSON.stringify(body), {status});
});
afterEach(() => {
  answers.length = sent.length = 0;
});

const lost = new TypeError("Failed to fetch");
const message = (part: Partial<Message>): Message => ({id: "u", parent: null, role: "user", content: "Hi", reasoning: "", tool_calls: [], files: [], model: "",
  model_hash: "", sampling: {}, state: "done", error: "", created: 1, usage: null, seconds: null, feedback: null, ...part});
const conversation = (messages: Message[]) => ({id: "c", title: "T", pinned: false, model: "", created: 1, updated: 1, system: "", sampling: {}, current: null, messages});

describe("sending", () => {
  it("names each thing anew, in letters that the server takes", () => {
    const ids = new Set(Array.from({length: 100}, newClientId));
    expect(ids.size).toBe(100);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{32}$/);
  });
  it("is done once more under the same name when the answer was lost", async () => {
    answers.push(lost, {done: true});
    expect(await sendSafely("/x", "a", {})).toEqual({done: true});
    expect(sent.map(s => s.body.client_id)).toEqual(["a", "a"]);
  });
  it("is not, where the server said no", async () => {
    answers.push({status: 409, error: {message: "full", type: "", param: null, code: "full"}});
    await expect(sendSafely("/x", "a", {})).rejects.toMatchObject({code: "full"});
    expect(sent.length).toBe(1);
  });
});

describe("a message", () => {
  const store = async (messages: Message[] = []) => {
    const made = new ConversationStore("c");
    answers.push(conversation(messages));
    await made.load();
    sent.length = 0;
    return made;
  };
  it("that is sent again by hand keeps its name", async () => {
    const chat = await store();
    answers.push(lost, lost, lost); // twice sent, and the conversation cannot be read
    await chat.send(null, "Hi", [], "");
    const [pending] = chat.get().pending;
    expect(pending).toMatchObject({state: "failed", content: "Hi"});
    const key = pending!.key;
    answers.length = sent.length = 0;
    answers.push({user: message({client_id: key}), reply: message({id: "r", parent: "u", role: "assistant", content: "Hello."})});
    await chat.sendAgain(key);
    expect(sent[0]).toMatchObject({path: "/api/app/conversations/c/messages", body: {client_id: key, content: "Hi"}});
    expect(chat.get().pending).toEqual([]);
    expect(chat.get().path.map(m => m.id)).toEqual(["u", "r"]);
  });
  it("that the server has by its name is no longer pending; one of the same words is", async () => {
    const chat = await store();
    answers.push(lost, lost, lost);
    await chat.send(null, "Hi", [], "");
    const key = chat.get().pending[0]!.key;
    answers.push(conversation([message({id: "other"})]));
    await chat.load();
    expect(chat.get().pending.map(p => p.key)).toEqual([key]);
    answers.push(conversation([message({id: "other"}), message({client_id: key})]));
    await chat.load();
    expect(chat.get().pending).toEqual([]);
  });
  it("is answered anew once, though the call was made twice", async () => {
    const reply = message({id: "r", parent: "u", role: "assistant", content: "Hello."});
    const chat = await store([message({}), reply]);
    answers.push(lost, {reply: {...reply, id: "r2"}});
    await chat.regenerate(reply, "");
    expect(sent.map(s => s.path)).toEqual(Array(2).fill("/api/app/conversations/c/replies"));
    expect(sent[0]!.body.client_id).toBe(sent[1]!.body.client_id);
    expect(chat.get().path.map(m => m.id)).toEqual(["u", "r2"]);
  });
});
