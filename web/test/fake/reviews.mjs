// Reviewers and people's chats, and who read one's own.
import {Fail, newId, now} from "./core.mjs";

const NAMES = new Map();

export function addReviews(world, route) {
  const whoOf = id => {
    if (!NAMES.has(id)) NAMES.set(id, `Person K7M2Q${String.fromCharCode(65 + NAMES.size)}`);
    return NAMES.get(id);
  };
  const note = (person, action, about, object, conversations = 1) =>
    world.audit.unshift({id: newId(), time: now(), person: person.id, name: person.name || "You", action, object, about, detail: {conversations}});
  const allowed = (c, person) => {
    const settings = world.people.get(c.owner)?.settings;
    return !c.hidden && c.messages.length > 0 && settings?.asked && settings.may_review && (world.mode === "local" || c.owner !== person.id);
  };
  const find = (params, person) => {
    const c = world.conversations.get(params.id);
    if (!c || !allowed(c, person)) throw new Fail(404, "not_found", "There is no such conversation that you may read.");
    return c;
  };
  const counts = c => {
    const said = c.messages.map(m => m.feedback).filter(Boolean);
    return {up: said.filter(f => f.thumb === "up").length, down: said.filter(f => f.thumb === "down").length, flagged: said.filter(f => f.flags.length).length};
  };
  route("GET", "/api/app/reviews", ["reviewer"], ({query, person}) => {
    const words = (query.get("query") ?? "").toLowerCase(), feedback = query.get("feedback") ?? "", limit = Number(query.get("limit") || 50);
    let rows = [...world.conversations.values()].filter(c => allowed(c, person)).sort((a, b) => b.updated - a.updated).flatMap(c => {
      const {up, down, flagged} = counts(c);
      if ((feedback === "any" && !(up + down + flagged)) || (feedback === "down" && !down) || (feedback === "flags" && !flagged)) return [];
      const row = {id: c.id, who: whoOf(c.owner), title: c.title, model: c.model, created: c.created, updated: c.updated, up, down, flagged};
      if (!words) return [row];
      const hit = c.messages.find(m => m.content.toLowerCase().includes(words));
      if (!hit) return [];
      const at = hit.content.toLowerCase().indexOf(words);
      return [{...row, snippet: `${hit.content.slice(0, at)}\u0001${hit.content.slice(at, at + words.length)}\u0002${hit.content.slice(at + words.length)}`}];
    });
    if (query.get("before")) rows = rows.slice(rows.findIndex(r => r.id === query.get("before")) + 1);
    const shown = rows.slice(0, limit);
    const owners = shown.map(r => world.conversations.get(r.id).owner);
    for (const owner of new Set(owners)) note(person, "list_conversations", owner, "", owners.filter(o => o === owner).length);
    return {conversations: shown, more: rows.length > limit};
  });
  route("GET", "/api/app/reviews/{id}", ["reviewer"], ({params, person}) => {
    const c = find(params, person);
    note(person, "read_conversation", c.owner, c.id);
    return {id: c.id, who: whoOf(c.owner), title: c.title, system: c.system, model: c.model, sampling: c.sampling, current: c.current, created: c.created,
      updated: c.updated, may_train: world.people.get(c.owner).settings.may_train, messages: c.messages};
  });
  route("POST", "/api/app/reviews/{id}/prompts", ["reviewer"], ({params, body, person}) => {
    const c = find(params, person);
    if (!world.people.get(c.owner).settings.may_train) throw new Fail(409, "not_trainable", "This person does not allow that models learn from their chats.");
    const project = world.projects.get(body.project);
    if (!project) throw new Fail(404, "not_found", "There is no such project.");
    const turns = [];
    for (let m = c.messages.find(each => each.id === body.message); m; m = c.messages.find(each => each.id === m.parent)) turns.unshift({role: m.role, content: m.content});
    note(person, "use_conversation", c.owner, c.id);
    if (project.items.some(i => JSON.stringify(i.messages) === JSON.stringify(turns))) return {added: false};
    project.items.push({id: newId(), messages: turns, answers: []});
    return {added: true};
  });
  route("GET", "/api/app/readings", "signed_in", ({query, person}) => {
    let mine = world.audit.filter(e => e.about === person.id);
    if (query.get("before")) mine = mine.slice(mine.findIndex(e => e.id === query.get("before")) + 1);
    return {more: mine.length > 50, readings: mine.slice(0, 50).map(e => ({id: e.id, time: e.time, name: e.name, action: e.action, conversation: e.object,
      title: world.conversations.get(e.object)?.title ?? "", conversations: e.detail.conversations}))};
  });
}
