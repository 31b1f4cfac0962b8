// Models, conversations, the stream, feedback and blind comparisons.
import {Fail, newId, now} from "./core.mjs";

const MAX = 40;

function defaultReply(text) {
  return `You wrote: **${text.slice(0, 200).replace(/[*_`<>\\]/g, "")}**\n\nA few things that may help:\n\n1. The ferry leaves at *9:00* and 17:30.\n2. Mind the \`tides\`.\n\n\`\`\`python\ndef hello(name):\n    return f"Hello, {name}!"\n\`\`\`\n\n| Day | Ferry |\n| --- | ---: |\n| Monday | 9:00 |\n| Sunday | 11:00 |\n\nThe area of a circle is $A = \\pi r^2$, and\n\n$$\\int_0^1 x^2\\,dx = \\frac{1}{3}$$\n`;
}

export function addChat(world, route) {
  const empty = {reasoning: "", tool_calls: [], files: [], model: "", model_hash: "", sampling: {}, state: "done", error: "", usage: null, seconds: null, feedback: null};
  const own = (params, person) => {
    const found = world.conversations.get(params.id);
    if (!found || found.owner !== person.id || found.hidden) throw new Fail(404, "not_found", "There is no such conversation.");
    return found;
  };
  const row = ({id, title, pinned, model, created, updated}) => ({id, title, pinned, model, created, updated});
  const head = c => ({...row(c), system: c.system, sampling: c.sampling, current: c.current});
  const make = (person, body = {}) => {
    const c = {id: newId(), owner: person.id, title: body.title ?? "", pinned: false, system: body.system ?? "", model: body.model ?? world.defaultModel,
      sampling: body.sampling ?? {}, current: null, created: now(), updated: now(), messages: []};
    world.conversations.set(c.id, c);
    return c;
  };
  const messageOf = (c, id) => {
    const found = c.messages.find(m => m.id === id);
    if (!found) throw new Fail(404, "not_found", "There is no such message.");
    return found;
  };

  // Writes a reply's pieces to its tab's stream, and goes on where nobody reads.
  function write(c, user, tab, model, sampling, client_id) {
    const reply = {...empty, ...(client_id && {client_id}), id: newId(), parent: user.id, role: "assistant", content: "", model, model_hash: `hash-of-${model}`, sampling, state: "writing", created: now()};
    c.messages.push(reply);
    c.current = reply.id;
    const plan = world.reply?.(user.content, c) ?? defaultReply(user.content);
    const {text, reasoning = "", tool_calls = [], fail = ""} = typeof plan === "string" ? {text: plan} : plan;
    const pieces = [...(reasoning.match(/[\s\S]{1,24}/g) ?? []).map(r => ({reasoning: r})), ...(text.match(/[\s\S]{1,12}/g) ?? []).map(content => ({content}))];
    if (pieces.length > 400) { // long replies come in longer pieces
      const whole = pieces.filter(p => p.content).map(p => p.content).join("");
      pieces.splice(0, pieces.length, ...(whole.match(new RegExp(`[\\s\\S]{1,${Math.ceil(whole.length / 400)}}`, "g"))).map(content => ({content})));
    }
    const begun = Date.now();
    const end = state => {
      clearInterval(timer);
      world.writing.delete(reply.id);
      Object.assign(reply, {state, tool_calls, error: state === "failed" ? fail || "The model stopped working." : "",
        usage: {prompt_tokens: 20, completion_tokens: pieces.length, cached_tokens: 4}, seconds: {first: 0.05, total: (Date.now() - begun) / 1000}});
      c.updated = now();
      world.emit(tab, "done", {conversation: c.id, message: reply});
      if (!c.title) {
        c.title = user.content.slice(0, 40);
        world.emit(tab, "title", {conversation: c.id, title: c.title});
      }
    };
    let at = 0;
    const timer = setInterval(() => {
      if (world.closed) return clearInterval(timer);
      if (fail && at >= pieces.length / 2) return end("failed");
      if (at >= pieces.length) return end(sampling.max_tokens && sampling.max_tokens <= pieces.length ? "cut" : "done");
      const piece = pieces[at++];
      reply.content += piece.content ?? "";
      reply.reasoning += piece.reasoning ?? "";
      world.emit(tab, "delta", {conversation: c.id, message: reply.id, ...piece});
    }, world.pace);
    world.writing.set(reply.id, {tab, c, reply, stop: () => end("stopped")});
    return {...reply};
  }
  const addUser = (c, body) => {
    if (typeof body.content !== "string") throw new Fail(400, "bad_value", "content must be text.", "content");
    if (body.parent !== null) messageOf(c, body.parent);
    const user = {...empty, ...(body.client_id && {client_id: body.client_id}), id: newId(), parent: body.parent, role: "user", content: body.content, created: now(),
      files: (body.files ?? []).map(f => ({name: f.name, bytes: Buffer.byteLength(f.text)}))};
    c.messages.push(user);
    c.current = user.id;
    c.updated = now();
    return user;
  };
  const modelFor = (c, wanted) => {
    const id = wanted || c.model || world.defaultModel;
    if (!world.models.some(m => m.id === id)) throw new Fail(404, "model_not_found", `There is no model "${id}".`, "model");
    return id;
  };

  route("GET", "/api/app/models", "signed_in", () => ({models: world.models, default: world.defaultModel}));
  const remoteShown = ({key, ...rest}) => rest;
  route("GET", "/api/app/remotes", ["admin"], () => ({remotes: [...world.remotes.values()].map(remoteShown)}));
  route("POST", "/api/app/remotes", ["admin"], ({body}) => {
    if (/\/\/(127\.|10\.|192\.168\.|localhost)/.test(body.url) && !body.allow_private) throw new Fail(400, "private_address", "This address is private; allow private addresses for it if that is meant.", "url");
    world.remotes.set(body.id, {...body});
    world.models.push({id: body.id, kind: "remote", loaded: true});
    return remoteShown(body);
  });
  route("DELETE", "/api/app/remotes/{id}", ["admin"], ({params}) => {
    world.remotes.delete(params.id);
    world.models = world.models.filter(m => m.id !== params.id);
  });

  route("GET", "/api/app/conversations", "signed_in", ({query, person}) => {
    const wanted = (query.get("query") ?? "").toLowerCase(), before = query.get("before"), limit = Number(query.get("limit") || MAX);
    let all = [...world.conversations.values()].filter(c => c.owner === person.id && !c.hidden)
      .sort((a, b) => Number(b.pinned) - Number(a.pinned) || b.updated - a.updated || (a.id < b.id ? 1 : -1));
    let rows = all.map(row);
    if (wanted) rows = all.flatMap(c => {
      if (c.title.toLowerCase().includes(wanted)) return [row(c)];
      for (const m of c.messages) {
        const at = m.content.toLowerCase().indexOf(wanted);
        if (at >= 0) return [{...row(c), snippet: `${m.content.slice(Math.max(0, at - 30), at)}\u0001${m.content.slice(at, at + wanted.length)}\u0002${m.content.slice(at + wanted.length, at + 60)}`}];
      }
      return [];
    });
    if (before) rows = rows.slice(rows.findIndex(r => r.id === before) + 1);
    return {conversations: rows.slice(0, limit), more: rows.length > limit};
  });
  route("POST", "/api/app/conversations", "signed_in", ({body, person}) => head(make(person, body)));
  route("GET", "/api/app/conversations/{id}", "signed_in", ({params, person}) => {
    const c = own(params, person);
    return {...head(c), messages: c.messages};
  });
  route("PATCH", "/api/app/conversations/{id}", "signed_in", ({params, body, person}) => {
    const c = own(params, person);
    for (const key of ["title", "pinned", "system", "model", "sampling", "current"]) if (key in body) c[key] = body[key];
    return head(c);
  });
  route("DELETE", "/api/app/conversations/{id}", "signed_in", ({params, person}) => void world.conversations.delete(own(params, person).id));
  route("POST", "/api/app/conversations/{id}/messages", "signed_in", ({params, body, person}) => {
    const c = own(params, person);
    // Sent once more under its name, it gets what is there.
    const before = body.client_id && c.messages.find(m => m.client_id === body.client_id);
    if (before) return {user: before, reply: c.messages.find(m => m.parent === before.id) ?? null};
    const model = body.reply === false ? "" : modelFor(c, body.model);
    const user = addUser(c, body);
    return {user, reply: body.reply === false ? null : write(c, user, body.tab, model, c.sampling)};
  });
  route("POST", "/api/app/conversations/{id}/replies", "signed_in", ({params, body, person}) => {
    const c = own(params, person);
    const before = body.client_id && c.messages.find(m => m.client_id === body.client_id);
    return {reply: before || write(c, messageOf(c, body.parent), body.tab, modelFor(c, body.model), body.sampling ?? c.sampling, body.client_id)};
  });
  route("POST", "/api/app/conversations/{id}/messages/{message}/stop", "signed_in", ({params, person}) => {
    messageOf(own(params, person), params.message);
    world.writing.get(params.message)?.stop();
  });
  const asMarkdown = c => `# ${c.title}\n\n${c.messages.map(m => `**${m.role}**\n\n${m.content}`).join("\n\n")}\n`;
  const file = (response, name, type, text) => response.writeHead(200, {"Content-Type": type, "Content-Disposition": `attachment; filename="${name}"`}).end(text);
  const whole = c => ({...head(c), messages: c.messages});
  route("GET", "/api/app/conversations/{id}/export", "signed_in", ({params, query, person, response}) => {
    const c = own(params, person);
    if (query.get("format") === "markdown") file(response, "conversation.md", "text/markdown; charset=utf-8", asMarkdown(c));
    else file(response, "conversation.json", "application/json", JSON.stringify({conversations: [whole(c)]}));
  });
  route("GET", "/api/app/export", "signed_in", ({person, response}) =>
    file(response, "conversations.json", "application/json", JSON.stringify({conversations: [...world.conversations.values()].filter(c => c.owner === person.id && !c.hidden).map(whole)})));
  route("POST", "/api/app/import", "signed_in", ({body, person}) => {
    if (typeof body.text === "string") {
      try {
        body = {conversations: body.text.trim().split("\n").map(line => JSON.parse(line))};
      } catch {
        throw new Fail(400, "bad_value", "This file holds no conversations that can be read.", "text");
      }
    }
    if (Array.isArray(body.messages)) body = {conversations: [body]};
    if (!Array.isArray(body.conversations)) throw new Fail(400, "bad_value", "This file holds no conversations.", "conversations");
    const skipped = [];
    let imported = 0;
    body.conversations.forEach((from, index) => {
      if (!Array.isArray(from?.messages) || !from.messages.length) return skipped.push({index, why: "it has no messages"});
      const c = make(person, {title: from.title ?? "Imported", system: from.system ?? ""});
      let parent = null;
      for (const m of from.messages.filter(m => m.role !== "system")) {
        const message = {...empty, id: newId(), parent, role: m.role, content: String(m.content), created: now()};
        c.messages.push(message);
        parent = message.id;
      }
      c.current = parent;
      ++imported;
    });
    return {imported, skipped};
  });

  route("GET", "/api/app/stream", "signed_in", ({query, request, response}) => {
    const tab = query.get("tab");
    response.writeHead(200, {"Content-Type": "text/event-stream", "Cache-Control": "no-store"});
    if (!world.streams.has(tab)) world.streams.set(tab, new Set());
    world.streams.get(tab).add(response);
    response.write(`event: hello\ndata: ${JSON.stringify({tab})}\n\n`);
    for (const {tab: to, c, reply} of world.writing.values())
      if (to === tab) response.write(`event: snapshot\ndata: ${JSON.stringify({conversation: c.id, message: reply})}\n\n`);
    const beat = setInterval(() => response.write(": still here\n\n"), 15_000);
    request.on("close", () => {
      clearInterval(beat);
      world.streams.get(tab)?.delete(response);
    });
  });

  route("PUT", "/api/app/conversations/{id}/messages/{message}/feedback", "signed_in", ({params, body, person}) => {
    const message = messageOf(own(params, person), params.message);
    const {thumb = null, flags = [], comment = "", better = ""} = body;
    message.feedback = thumb === null && !flags.length && !comment && !better ? null : {thumb, flags, comment, better};
    return {thumb, flags, comment, better};
  });
  route("POST", "/api/app/conversations/{id}/comparisons", "signed_in", ({params, body, person}) => {
    own(params, person);
    world.comparisons.push({conversation: params.id, ...body});
  });

  route("POST", "/api/app/blind", "signed_in", ({body, person}) => {
    if (world.models.length < 2) throw new Fail(409, "too_few_models", "A comparison needs two models.");
    const pair = body.models ?? [...world.models].sort(() => Math.random() - 0.5).slice(0, 2).map(m => m.id);
    const sides = pair.map(model => {
      const c = make(person, {title: "blind", system: body.system, model});
      c.hidden = true;
      const user = addUser(c, {parent: null, content: body.content});
      return {conversation: c.id, message: write(c, user, body.tab, model, {}).id};
    });
    const id = newId();
    world.blind.set(id, {pair, choice: null, person: person.id});
    return {id, left: sides[0], right: sides[1]};
  });
  route("POST", "/api/app/blind/{id}/vote", "signed_in", ({params, body}) => {
    const vote = world.blind.get(params.id);
    if (!vote) throw new Fail(404, "not_found", "There is no such comparison.");
    vote.choice ??= body.choice;
    return {left: vote.pair[0], right: vote.pair[1]};
  });
  route("GET", "/api/app/blind/scores", "signed_in", () => ({
    models: world.models.map(({id}) => {
      let wins = 0, losses = 0, ties = 0;
      for (const {pair, choice} of world.blind.values()) {
        if (!choice || !pair.includes(id)) continue;
        const side = pair[0] === id ? "left" : "right";
        if (choice === side) ++wins;
        else if (choice === "left" || choice === "right") ++losses;
        else ++ties;
      }
      const n = wins + losses;
      if (n === 0) return {id, wins, losses, ties, share: null, low: null, high: null};
      // Wilson's 95 % interval.
      const share = wins / n, z = 1.96, middle = (share + z * z / (2 * n)) / (1 + z * z / n);
      const half = z / (1 + z * z / n) * Math.sqrt(share * (1 - share) / n + z * z / (4 * n * n));
      return {id, wins, losses, ties, share, low: middle - half, high: middle + half};
    }),
  }));
}
