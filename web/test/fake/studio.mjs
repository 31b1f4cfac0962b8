// The studio, and the jobs that train on what it made. Tasks are handed out once to each person and taken back when their time is up.
import {createHash} from "node:crypto";
import {Fail, newId, now} from "./core.mjs";
import {PEOPLE, seedLabels, seedProjects} from "./studio-seed.mjs";

// `loquat compare`'s report.
const comparison = share => ({
  prompts: 60, wins: Math.round(share * 50), losses: 50 - Math.round(share * 50), ties: 10, share, low: share - 0.1, high: share + 0.1,
  samples: [{prompt: "When does the ferry leave?", left: "I think at nine.", right: "At nine on weekdays and at eleven on Sundays.", left_score: -0.2, right_score: 0.9}],
});

const LABELER = ["labeler", "red_teamer"];
const STUDIO = ["labeler", "red_teamer", "reviewer"];
const hashOf = text => createHash("sha256").update(text).digest("hex");

export function addStudio(world, route) {
  world.projects = new Map();
  world.tasks = new Map();
  world.labels = [];
  world.datasets = new Map();
  world.jobs = new Map();
  world.submitted = []; // each label that was counted: {task, label}
  for (const project of world.studioEmpty ? [] : seedProjects()) world.projects.set(project.id, project);
  if (world.projects.has("rank-town")) world.labels.push(...seedLabels(world.projects.get("rank-town")));

  const projectOf = id => {
    const found = world.projects.get(id);
    if (!found) throw new Fail(404, "not_found", "There is no such project.");
    return found;
  };
  const labelsOf = item => world.labels.filter(l => l.item === item.id);
  const done = (project, item) => labelsOf(item).some(l => l.adjudicated) || labelsOf(item).length >= project.overlap;
  const shown = ({items, ...project}) => ({...project, counts: {
    prompts: items.length, open: items.filter(i => !done(project, i)).length, done: items.filter(i => done(project, i)).length,
    labels: world.labels.filter(l => l.project === project.id).length,
  }});
  const may = (person, project) => person.roles.some(r => r === "admin" || r === "reviewer" || r === (project.kind === "redteam" ? "red_teamer" : "labeler"));

  route("GET", "/api/app/projects", STUDIO, ({person}) => ({projects: [...world.projects.values()].filter(p => may(person, p)).map(shown)}));
  route("GET", "/api/app/projects/{id}", STUDIO, ({params, person}) => {
    const project = projectOf(params.id);
    if (!may(person, project)) throw new Fail(404, "not_found", "There is no such project.");
    return shown(project);
  });
  const check = body => {
    if (typeof body.name === "string" && body.name.length > 100) throw new Fail(400, "bad_value", "A name has at most 100 characters.", "name");
  };
  route("POST", "/api/app/projects", ["reviewer"], ({body}) => {
    check(body);
    const project = {guidelines: "", models: [], k: 4, sampling: {}, overlap: 1, minutes: 30, gold_share: 0, warning: "", criteria: [], prefill: false, closed: false,
      ...body, id: newId(), created: now(), items: []};
    world.projects.set(project.id, project);
    return shown(project);
  });
  route("PATCH", "/api/app/projects/{id}", ["reviewer"], ({params, body}) => {
    check(body);
    return shown(Object.assign(projectOf(params.id), body));
  });

  const fakeAnswers = (project, messages) => (project.kind === "ranking"
    ? Array.from({length: project.k}, (_, i) => `Answer ${i + 1} to: ${messages.at(-1).content}`) : []);
  function addPrompt(project, messages, gold, result, line) {
    if (!Array.isArray(messages) || messages.at(-1)?.role !== "user") {
      result.skipped.push({line, why: "The last message must be the user's."});
    } else if (project.items.some(i => JSON.stringify(i.messages) === JSON.stringify(messages))) {
      result.duplicates++;
    } else {
      project.items.push({id: newId(), messages, answers: gold?.answers ?? fakeAnswers(project, messages), gold});
      result.added++;
    }
  }
  route("POST", "/api/app/projects/{id}/prompts", ["reviewer"], ({params, body}) => {
    const project = projectOf(params.id);
    const result = {added: 0, duplicates: 0, skipped: []};
    (body.prompts ?? []).forEach((p, i) => addPrompt(project, p.messages, p.gold, result, i + 1));
    const lines = (body.text ?? "").split("\n");
    const json = lines.find(l => l.trim())?.trim().startsWith("{");
    lines.forEach((line, i) => {
      if (!line.trim()) return;
      if (!json) return addPrompt(project, [{role: "user", content: line.trim()}], undefined, result, i + 1);
      try {
        addPrompt(project, JSON.parse(line).messages, undefined, result, i + 1);
      } catch (error) {
        result.skipped.push({line: i + 1, why: `This is not JSON: ${error.message}`});
      }
    });
    return result;
  });

  // --- tasks
  const taskShown = task => {
    const project = world.projects.get(task.project);
    const item = project.items.find(i => i.id === task.item);
    const answers = item.answers.map((content, i) => ({id: `${item.id}-${i}`, content}));
    return {id: task.id, project: project.id, kind: project.kind, item: item.id, messages: item.messages, answers: [...answers.slice(1), ...answers.slice(0, 1)],
      draft: task.draft, expires: task.expires, warning: project.warning, suggestion: item.suggestion ?? "",
      prefill: Boolean(project.prefill && item.suggestion)};
  };
  route("POST", "/api/app/projects/{id}/next", LABELER, ({params, person}) => {
    const project = projectOf(params.id);
    if (project.closed) return undefined;
    const mine = [...world.tasks.values()].find(t => t.project === project.id && t.person === person.id && t.state === "open" && t.expires > now());
    if (mine) return taskShown(mine);
    const item = project.items.find(i => !done(project, i) && !labelsOf(i).some(l => l.person === person.id)
      && ![...world.tasks.values()].some(t => t.item === i.id && t.person === person.id && t.state === "skipped"));
    if (!item) return undefined;
    const task = {id: newId(), project: project.id, item: item.id, person: person.id, draft: null, expires: now() + project.minutes * 60, state: "open"};
    world.tasks.set(task.id, task);
    return taskShown(task);
  });
  const own = (params, person) => {
    const task = world.tasks.get(params.id);
    if (!task || task.person !== person.id) throw new Fail(404, "not_found", "There is no such task.");
    return task;
  };
  const stillOpen = (task, body) => {
    if (task.state === "submitted") throw new Fail(409, "submitted", "This task has been submitted already.");
    if (body) task.draft = body;
    if (world.projects.get(task.project).closed) throw new Fail(409, "closed", "The project has been closed.");
    if (task.state !== "open" || task.expires <= now()) throw new Fail(409, "late", "The time for this task ran out.");
  };
  route("POST", "/api/app/tasks/{id}/submit", LABELER, ({params, person, body}) => {
    const task = own(params, person);
    const project = world.projects.get(task.project);
    const next = () => project.items.some(i => !done(project, i) && !labelsOf(i).some(l => l.person === person.id));
    // A browser sends a request twice by itself where a kept connection broke: the same label gets the same answer.
    if (task.label && JSON.stringify(task.label.label) === JSON.stringify(body)) return {label: task.label.id, next: next()};
    stillOpen(task, body);
    task.state = "submitted";
    const label = {id: newId(), project: project.id, item: task.item, kind: project.kind, person: person.id, name: person.name || "You", created: now(),
      gold: false, adjudicated: false, label: body, history: []};
    task.label = label;
    world.labels.push(label);
    world.submitted.push({task: task.id, label: body});
    return {label: label.id, next: next()};
  });
  route("PUT", "/api/app/tasks/{id}/draft", LABELER, ({params, person, body}) => {
    const task = own(params, person);
    stillOpen(task, body);
  });
  route("POST", "/api/app/tasks/{id}/skip", LABELER, ({params, person, body}) => {
    const task = own(params, person);
    stillOpen(task);
    Object.assign(task, {state: "skipped", reason: body.reason});
  });
  route("POST", "/api/app/tasks/{id}/suggest", LABELER, ({params, person, body}) => {
    own(params, person);
    const asked = body.messages.findLast(m => m.role === "user")?.content ?? "the market";
    return {suggestions: [`A suggestion about **${asked.slice(0, 60)}**: begin with the answer, then say where it is written.`]};
  });
  route("POST", "/api/app/tasks/{id}/attack", LABELER, ({params, person, body}) => {
    own(params, person);
    return {reply: world.reply?.(body.messages.at(-1).content) ?? "I will not give out where somebody lives. The town hall can pass on a letter to them."};
  });

  // --- reviewers
  const withTask = label => {
    const item = world.projects.get(label.project).items.find(i => i.id === label.item);
    return {...label, messages: item.messages, answers: item.answers.map((content, i) => ({id: `${item.id}-${i}`, content}))};
  };
  route("GET", "/api/app/projects/{id}/labels", ["reviewer"], ({params, query}) => ({
    labels: world.labels.filter(l => l.project === params.id && (!query.get("person") || l.person === query.get("person")) && (!query.get("item") || l.item === query.get("item")))
      .map(({history, ...label}) => label),
  }));
  const labelOf = id => {
    const found = world.labels.find(l => l.id === id);
    if (!found) throw new Fail(404, "not_found", "There is no such label.");
    return found;
  };
  route("GET", "/api/app/labels/{id}", ["reviewer"], ({params}) => withTask(labelOf(params.id)));
  route("PATCH", "/api/app/labels/{id}", STUDIO, ({params, body, person}) => {
    const label = labelOf(params.id);
    label.history.unshift({time: now(), person: person.id, name: person.name || "You", why: body.why, label: label.label});
    label.label = body.label;
    return withTask(label);
  });
  const goldShown = item => ({item: item.id, messages: item.messages, answers: item.answers.map((content, i) => ({id: `${item.id}-${i}`, content})),
    ranks: item.goldRanks ?? Object.fromEntries(item.gold.ranking.flatMap((row, r) => row.map(i => [`${item.id}-${i}`, item.gold.ranking.slice(0, r).flat().length + 1]))),
    flags: {}, retired: Boolean(item.retired), right: labelsOf(item).length ? 0.75 : null,
    labels: labelsOf(item).map(({id, person, name, created, label}) => ({id, person, name, created, ranks: label.ranks, gold_score: 0.75}))});
  route("GET", "/api/app/projects/{id}/gold", ["reviewer"], ({params}) => ({questions: projectOf(params.id).items.filter(i => i.gold).map(goldShown)}));
  route("PATCH", "/api/app/items/{id}/gold", ["reviewer"], ({params, body}) => {
    const item = [...world.projects.values()].flatMap(p => p.items).find(i => i.id === params.id && i.gold);
    if (!item) throw new Fail(404, "not_found", "There is no such gold question.");
    if (body.ranks) item.goldRanks = body.ranks;
    if ("retired" in body) item.retired = body.retired;
    return {rescored: body.ranks ? labelsOf(item).length : 0};
  });
  route("GET", "/api/app/projects/{id}/agreement", ["reviewer"], ({params}) => {
    const labels = world.labels.filter(l => l.project === params.id);
    if (labels.length < 2) return {pairs: {percent: null, low: null, high: null, pairs: 0}, alpha: null, tau: null, by_labeler: [], by_criterion: []};
    return {
      pairs: {percent: 76.4, low: 71.2, high: 81.1, pairs: 48 + labels.length}, alpha: 0.61, tau: 0.68,
      by_labeler: PEOPLE.map(([person, name], i) => ({person, name, labels: labels.filter(l => l.person === person).length, percent: 79.1 - 4.3 * i, gold: i === 2 ? null : 90 - 10 * i, seconds: 94 + 20 * i})),
      by_criterion: projectOf(params.id).criteria.map((name, i) => ({name, alpha: 0.7 - 0.2 * i, percent: 81.5 - 6 * i})),
    };
  });
  route("GET", "/api/app/projects/{id}/disagreements", ["reviewer"], ({params}) => ({
    items: projectOf(params.id).items.filter(i => new Set(labelsOf(i).map(l => JSON.stringify(l.label.ranks))).size > 1 && !labelsOf(i).some(l => l.adjudicated))
      .map(i => ({item: i.id, messages: i.messages, answers: i.answers.map((content, k) => ({id: `${i.id}-${k}`, content})), labels: labelsOf(i)})),
  }));
  route("POST", "/api/app/items/{id}/adjudicate", ["reviewer"], ({params, body, person}) => {
    const project = [...world.projects.values()].find(p => p.items.some(i => i.id === params.id));
    if (!project) throw new Fail(404, "not_found", "There is no such item.");
    world.labels.push({id: newId(), project: project.id, item: params.id, kind: project.kind, person: person.id, name: person.name || "You", created: now(),
      gold: false, adjudicated: true, label: body, history: []});
  });
  route("GET", "/api/app/projects/{id}/screening", ["reviewer"], () => ({people: [
    {person: "p-ann", name: "Ann", gold: 90, agreement: 79.1, demonstrations: 6.2, flags: 88.5, passes: true},
    {person: "p-li", name: "李雷", gold: 80, agreement: 74.8, demonstrations: 5.4, flags: 71, passes: false},
    {person: "p-rev", name: "Rui", gold: null, agreement: 70.5, demonstrations: null, flags: null, passes: null},
  ]}));
  route("GET", "/api/app/projects/{id}/export", ["reviewer"], ({params, query, response}) => {
    const lines = world.labels.filter(l => l.project === params.id).map(l => JSON.stringify({shape: query.get("shape"), label: l.label})).join("\n");
    response.writeHead(200, {"Content-Type": "application/x-ndjson", "Content-Disposition": `attachment; filename="${params.id}-${query.get("shape")}.jsonl"`}).end(lines);
  });

  // --- data sets and jobs
  if (world.seeded) {
    const hash = hashOf("first round");
    world.datasets.set(hash, {hash, name: "First round", created: 1_790_100_000, rows: 412, from: {labels: 398, conversations: 57, people: 6}});
    world.jobs.set("job-1", {id: "job-1", name: "round-1", state: "done", step: "", fraction: 1, message: "", model: "round-1", compared_with: "ppo", wins: comparison(0.634)});
  }
  route("GET", "/api/app/datasets", ["reviewer"], () => ({datasets: [...world.datasets.values()]}));
  route("GET", "/api/app/datasets/{hash}", ["reviewer"], ({params}) => world.datasets.get(params.hash));
  route("POST", "/api/app/datasets", ["reviewer"], ({body}) => {
    const labels = world.labels.filter(l => body.projects.includes(l.project));
    const hash = hashOf(JSON.stringify(labels));
    const set = {hash, name: body.name, created: now(), rows: labels.length, from: {labels: labels.length, conversations: body.feedback ? 3 : 0, people: new Set(labels.map(l => l.person)).size}};
    world.datasets.set(hash, set);
    return set;
  });
  route("GET", "/api/app/jobs", ["reviewer"], () => ({jobs: [...world.jobs.values()].reverse()}));
  route("GET", "/api/app/jobs/{id}", ["reviewer"], ({params}) => world.jobs.get(params.id));
  route("POST", "/api/app/jobs/{id}/stop", ["reviewer"], ({params}) => {
    const job = world.jobs.get(params.id);
    if (!job) throw new Fail(404, "not_found", "There is no such job.");
    Object.assign(job, {state: "stopped", message: "Stopped by a person."});
    return job;
  });
  route("POST", "/api/app/datasets/{hash}/train", ["admin"], ({params, body}) => {
    if (!world.datasets.has(params.hash)) throw new Fail(404, "not_found", "There is no such data set.");
    const job = {id: newId(), name: body.name, state: "running", step: body.steps[0], fraction: 0, message: "", model: body.name, compared_with: body.base, wins: null};
    world.jobs.set(job.id, job);
    const work = () => {
      if (world.closed || job.state !== "running") return;
      job.fraction = Math.min(1, job.fraction + 0.1);
      job.step = body.steps[Math.min(body.steps.length - 1, Math.floor(job.fraction * body.steps.length))];
      if (job.fraction >= 0.999) Object.assign(job, {state: "done", fraction: 1, step: "", wins: comparison(0.58)});
      for (const tab of world.streams.keys()) world.emit(tab, "job", {job});
      if (job.state === "running") setTimeout(work, world.pace * 20);
    };
    setTimeout(work, world.pace * 20);
    return job;
  });
}
