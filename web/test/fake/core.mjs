// What the fake server's areas share: errors, ids, the world, streams.
import {randomBytes} from "node:crypto";

export class Fail extends Error {
  constructor(status, code, message, param = null, retryAfter = null) {
    super(message);
    Object.assign(this, {status, code, param, retryAfter});
  }
}
export const newId = () => randomBytes(9).toString("base64url");
export const now = () => Math.floor(Date.now() / 1000);
export const ALL_ROLES = ["user", "labeler", "red_teamer", "reviewer", "admin"];
export const freshSettings = () => ({language: "", theme: "", may_review: false, may_train: false, asked: false});

export function makeWorld({mode = "local", recipe = "none", models = ["base", "sft", "ppo"], seeded = false, pace = 12} = {}) {
  const world = {
    mode, recipe, seeded, pace, // pace: milliseconds between the pieces of a reply
    models: models.map(id => ({id, kind: "local", loaded: true, context: 4096, hash: `hash-of-${id}`})),
    defaultModel: models.at(-1) ?? "",
    people: new Map(), sessions: new Map(), invitations: new Map(), audit: [],
    conversations: new Map(), writing: new Map(), blind: new Map(), comparisons: [], remotes: new Map(),
    streams: new Map(), // tab → the set of open answers
    requests: [], // "METHOD /path" of all that came
    down: false, // true: every connection is cut
    breakNext: [], // {method, path, after}: cut the next such request, before it is read or after it was done
    reply: null, // (text) => the next replies' text, where a test wants its own
    closed: false,
  };
  // One event to all of a tab's streams.
  world.emit = (tab, event, data) => {
    for (const response of world.streams.get(tab) ?? []) response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  };
  world.dropStreams = () => {
    for (const set of world.streams.values()) for (const response of set) response.destroy();
    world.streams.clear();
  };
  return world;
}

// {person, csrf} of who asks, or null. Local mode: the one person of this machine.
export function sessionOf(world, request) {
  if (world.mode === "local") return {person: world.people.get("local"), csrf: ""};
  const token = /loquat_session=([^;]+)/.exec(request.headers.cookie ?? "")?.[1];
  const session = token && world.sessions.get(token);
  const person = session && world.people.get(session.person);
  return person && !person.disabled ? {...session, person, token} : null;
}
