// The page: asks every stage's model at once, and follows the recipe as it runs. Text from models and files is only ever put
// into the page as text (textContent), never as markup.
"use strict";

const $ = id => document.getElementById(id);
const ORDER = ["base", "sft", "reference", "ppo", "adversarial"];
const SHOWN = new Set(["base", "sft", "ppo", "adversarial"]);
const ABOUT = {
  base: "pretrained: continues text",
  sft: "fine-tuned on demonstrations",
  reference: "PPO's starting point",
  ppo: "aligned with the reward model",
  adversarial: "trained against attacks",
};
const STAGE_NAMES = {
  world: "The town", data: "The data", tokenizer: "Tokenizer", base: "Pretraining", pretrain: "Pretraining", sft: "Fine-tuning",
  reference: "KL reference", comparisons: "Rankings", reward: "Reward model", heldout_reward: "Held-out reward model",
  select: "Choosing the SFT model", ppo: "PPO", dpo: "DPO", adversarial: "Adversarial round", eval: "Measuring",
  eval_base: "Measuring base", eval_reference: "Measuring the reference", eval_sft: "Measuring SFT", eval_ppo: "Measuring PPO",
  eval_adversarial: "Measuring the hardened model", report: "Report",
};
const stageName = name => STAGE_NAMES[name] || name.replace(/[_-]/g, " ").replace(/^./, c => c.toUpperCase());
// The colour of a stage is that of the model it makes.
const tintOf = name => "tint-" + ({pretrain: "base", heldout_reward: "reward"}[name] ||
    ["base", "sft", "reward", "reference", "ppo", "adversarial"].find(known => name.startsWith(known)) || "none");

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

function duration(seconds) {
  if (seconds === null || seconds === undefined || !isFinite(seconds)) return "";
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60 && s < 600 ? (s % 60) + " s" : ""}`.trim();
  return `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} min`;
}

async function fetchJson(path) {
  const response = await fetch(path, {cache: "no-store"});
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
}

// --- asking ------------------------------------------------------------------------------------------------------------

const cards = new Map();  // model -> {element, turns, foot, messages, control}
let available = [];
let asking = 0;

function makeCard(model) {
  const element = make("article", "answer " + tintOf(model));
  const head = make("h3");
  head.append(make("span", "", model), make("span", "role", ABOUT[model] || ""));
  const turns = make("div", "turns");
  const foot = make("p", "foot");
  element.append(head, turns, foot);
  element.setAttribute("aria-label", `Answers of ${model}`);
  return {element, turns, foot, messages: [], control: null};
}

function showModels(ids) {
  available = ids;
  const wanted = ORDER.filter(id => SHOWN.has(id)).concat(ids.filter(id => !ORDER.includes(id)));
  for (const id of wanted) {
    if (!cards.has(id)) cards.set(id, makeCard(id));
    const card = cards.get(id);
    const absent = !ids.includes(id);
    if (absent) card.foot.textContent = "not made yet";
    else if (card.foot.textContent === "not made yet") card.foot.textContent = "ready";
    card.element.classList.toggle("absent", absent);
    $("answers").append(card.element);
  }
  $("ask-button").disabled = ids.length === 0;
}

// Calls onData with each event's data; ends at [DONE] or the end of the body.
async function readEvents(response, onData) {
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const {done, value} = await reader.read();
    if (done) return;
    rest += decoder.decode(value, {stream: true});
    let end;
    while ((end = rest.indexOf("\n\n")) >= 0) {
      const lines = rest.slice(0, end).split("\n").filter(line => line.startsWith("data: "));
      rest = rest.slice(end + 2);
      for (const line of lines) {
        if (line === "data: [DONE]") return;
        onData(JSON.parse(line.slice(6)));
      }
    }
  }
}

async function askOne(id, question, settings) {
  const card = cards.get(id);
  if (!$("follow").checked) {
    card.messages = [];
    card.turns.replaceChildren();
  }
  card.messages.push({role: "user", content: question});
  const said = make("div", "said");
  if ($("follow").checked) card.turns.append(make("div", "asked", question));
  card.turns.append(said);
  card.element.setAttribute("aria-busy", "true");
  card.foot.textContent = "thinking …";
  card.control = new AbortController();
  const begin = performance.now();
  let text = "", reason = null, usage = null;
  try {
    const response = await fetch("/v1/chat/completions", {
      method: "POST", headers: {"Content-Type": "application/json"}, signal: card.control.signal,
      body: JSON.stringify({model: id, messages: card.messages, stream: true, stream_options: {include_usage: true}, ...settings}),
    });
    if (!response.ok) throw new Error((await response.json()).error.message);
    await readEvents(response, data => {
      if (data.error) throw new Error(data.error.message);
      if (data.usage) usage = data.usage;
      const choice = data.choices[0];
      if (!choice) return;
      if (choice.finish_reason) reason = choice.finish_reason;
      if (choice.delta.content) {
        text += choice.delta.content;
        said.textContent = text;
        card.foot.textContent = "";
        card.turns.scrollTop = card.turns.scrollHeight;
      }
    });
    const seconds = (performance.now() - begin) / 1000;
    const speed = usage ? `${usage.completion_tokens} tokens · ${seconds.toFixed(1)} s` : `${seconds.toFixed(1)} s`;
    card.foot.textContent = speed + (reason === "length" ? " · cut at the longest length" : "");
    if (!text) said.textContent = "(an empty reply)";
  } catch (error) {
    if (error.name === "AbortError") {
      card.foot.textContent = "stopped";
    } else {
      said.textContent = text || error.message;
      said.classList.add("error");
      card.foot.textContent = text ? `broke off: ${error.message}` : "failed";
    }
  }
  card.messages.push({role: "assistant", content: text});
  card.control = null;
  card.element.removeAttribute("aria-busy");
}

function settings() {
  const out = {temperature: Number($("temperature").value) || 0};
  const tokens = parseInt($("max-tokens").value, 10);
  if (tokens > 0) out.max_completion_tokens = tokens;
  const seed = parseInt($("seed").value, 10);
  if (Number.isFinite(seed)) out.seed = seed;
  return out;
}

async function ask() {
  const question = $("question").value.trim();
  if (!question || asking || !available.length) return;
  asking = 1;
  $("ask-button").hidden = true;
  $("stop-button").hidden = false;
  const models = [...cards.keys()].filter(id => available.includes(id));
  await Promise.all(models.map(id => askOne(id, question, settings())));
  asking = 0;
  $("ask-button").hidden = false;
  $("stop-button").hidden = true;
  if ($("follow").checked) { $("question").value = ""; grow(); }
  $("announce").textContent = `${models.join(", ")} have answered.`;
}

function grow() {
  const box = $("question");
  box.style.height = "auto";
  box.style.height = box.scrollHeight + "px";
}

function stop() { for (const card of cards.values()) if (card.control) card.control.abort(); }

$("ask-form").addEventListener("submit", event => { event.preventDefault(); ask(); });
$("question").addEventListener("input", grow);
$("question").addEventListener("keydown", event => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); ask(); }
});
$("stop-button").addEventListener("click", stop);
$("new-conversation").addEventListener("click", () => {
  stop();
  for (const card of cards.values()) { card.messages = []; card.turns.replaceChildren(); if (available.length) card.foot.textContent = ""; }
  $("question").focus();
});

function showSuggestions(list) {
  const now = [...$("suggestions").children].map(button => button.textContent);
  if (now.join("\n") === list.join("\n")) return;
  $("suggestions").replaceChildren(...list.map(text => {
    const button = make("button", "", text);
    button.type = "button";
    button.addEventListener("click", () => { if (asking) return; $("question").value = text; grow(); ask(); });
    return button;
  }));
}

// --- the recipe ----------------------------------------------------------------------------------------------------------

const SVG = "http://www.w3.org/2000/svg";
function mark(state) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("class", "mark");
  svg.setAttribute("aria-hidden", "true");
  const ring = document.createElementNS(SVG, "circle");
  for (const [key, value] of Object.entries({class: "ring", cx: 10, cy: 10, r: 8})) ring.setAttribute(key, value);
  svg.append(ring);
  if (state === "done" || state === "failed") {
    const tick = document.createElementNS(SVG, "path");
    tick.setAttribute("class", "tick");
    tick.setAttribute("d", state === "done" ? "M6 10.5l2.7 2.7L14 7.5" : "M7 7l6 6M13 7l-6 6");
    svg.append(tick);
  }
  return svg;
}

function bar(fraction, label) {
  const box = make("div", "bar");
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 100 1");
  svg.setAttribute("preserveAspectRatio", "none");
  const rect = document.createElementNS(SVG, "rect");
  rect.setAttribute("width", String(100 * fraction));
  rect.setAttribute("height", "1");
  svg.append(rect);
  box.append(svg);
  box.setAttribute("role", "progressbar");
  box.setAttribute("aria-label", label);
  box.setAttribute("aria-valuenow", String(Math.round(100 * fraction)));
  return box;
}

const number = x => typeof x === "number" && isFinite(x);

function stageCard(stage) {
  const state = ["done", "running", "pending", "failed"].includes(stage.state) ? stage.state : "pending";
  const item = make("li", "stage " + state);
  const line = make("div", "line");
  line.append(mark(state), make("span", "", stageName(stage.name)), make("span", "visually-hidden", state));
  const parts = [];
  if (state === "running") {
    if (number(stage.step) && number(stage.steps) && stage.steps > 0) parts.push(`step ${stage.step} of ${stage.steps}`);
    if (number(stage.tokens_per_second) && stage.tokens_per_second > 0) parts.push(`${Charts.short(stage.tokens_per_second)} tokens/s`);
    if (number(stage.seconds_left)) parts.push(`${duration(stage.seconds_left)} left`);
    if (!parts.length && stage.message) parts.push(stage.message);
  } else if (state === "failed") {
    parts.push(stage.message || "failed");
  } else if (state === "done") {
    if (number(stage.seconds)) parts.push(duration(stage.seconds));
    if (number(stage.tokens_per_second) && stage.tokens_per_second > 0) parts.push(`${Charts.short(stage.tokens_per_second)} tokens/s`);
  } else if (number(stage.estimate_seconds ?? stage.seconds_left)) {
    parts.push(`about ${duration(stage.estimate_seconds ?? stage.seconds_left)}`);
  }
  item.append(line, make("p", "detail", parts.join(" · ")));
  if (state === "running") {
    const fraction = number(stage.fraction) ? stage.fraction : stage.steps > 0 ? stage.step / stage.steps : 0;
    item.append(bar(Math.min(1, Math.max(0, fraction)), stageName(stage.name)));
    item.setAttribute("aria-current", "step");
  }
  return item;
}

function showProgress(progress) {
  const stages = progress.stages || [];
  $("stages").replaceChildren(...stages.map(stageCard));
  const doneShare = stages.length ? stages.filter(s => s.state === "done").length / stages.length : 0;
  const fraction = Math.min(1, progress.state === "done" ? 1 : number(progress.fraction) ? progress.fraction : doneShare);
  $("overall-fill").setAttribute("width", String(100 * fraction));
  $("overall").setAttribute("aria-valuenow", String(Math.round(100 * fraction)));
  const parts = [];
  const running = stages.find(s => s.state === "running");
  if (progress.state === "done") parts.push("Finished");
  else if (progress.state === "failed") parts.push(progress.message || "Stopped by an error");
  else if (running) parts.push(`${stageName(running.name)}, ${Math.round(100 * fraction)} % of the whole`);
  else parts.push("Waiting for the recipe to start");
  if (number(progress.seconds)) parts.push(`${duration(progress.seconds)} so far`);
  if (progress.state !== "done" && number(progress.seconds_left)) parts.push(`about ${duration(progress.seconds_left)} left`);
  const text = progress.state === "done" && number(progress.seconds) ? `Finished in ${duration(progress.seconds)}` : parts.join(" · ");
  if ($("recipe-line").textContent !== text) $("recipe-line").textContent = text;
  if (progress.recipe) {
    const about = [`recipe ${progress.recipe}`];
    if (progress.scale) about.push(`scale ${progress.scale}`);
    if (number(progress.seed)) about.push(`seed ${progress.seed}`);
    $("subtitle").textContent = about.join(" · ");
  }
  $("report-link").hidden = progress.state !== "done";
  return progress.state;
}

// --- curves --------------------------------------------------------------------------------------------------------------

const CURVES = {
  loss: "Loss", valid_loss: "Loss, held out", valid_bits_per_byte: "Bits per byte, held out", accuracy: "Preferences ordered right",
  pair_accuracy: "Pairs ordered right", valid_pair_accuracy: "Pairs ordered right, held out", reward: "Reward",
  held_out_reward: "Reward, by the held-out model", kl: "KL from the reference, nats", length: "Reply length, tokens",
  entropy: "Entropy, nats", ended: "Share of replies that end",
};
const NOT_CURVES = new Set(["step", "seconds", "time", "tokens", "epoch", "iteration", "lr", "learning_rate"]);
const charts = new Map();

function chartFor(stage, column, place) {
  const key = stage + "/" + column;
  if (!charts.has(key)) {
    const chart = Charts.create(CURVES[column] || column.replace(/_/g, " "), "step");
    charts.set(key, chart);
    place().append(chart.figure);
  }
  return charts.get(key);
}

function stageBox(name) {
  const id = "curves-of-" + name.replace(/[^A-Za-z0-9]/g, "-");
  if ($(id)) return $(id);
  for (const empty of $("charts").querySelectorAll(".empty")) empty.remove();
  const box = make("div", "stage-curves " + tintOf(name));
  box.id = id;
  box.append(make("h3", "", stageName(name)), make("div", "chart-row"));
  $("charts").append(box);
  return box;
}

function moreRow(box) {
  let more = box.querySelector(".more");
  if (!more) {
    more = make("details", "more");
    more.append(make("summary", "", "More curves of this stage"), make("div", "chart-row"));
    box.append(more);
  }
  return more.querySelector(".chart-row");
}

function showCurves(curves) {
  for (const stage of curves.stages || []) {
    const step = stage.columns.indexOf("step");
    stage.columns.forEach((column, at) => {
      if (NOT_CURVES.has(column)) return;
      const points = stage.rows.map((row, i) => [step >= 0 ? row[step] : i, row[at]]).filter(p => p[0] !== null && p[1] !== null);
      if (points.length < 2) return;
      const place = () => { const box = stageBox(stage.name); return CURVES[column] ? box.querySelector(".chart-row") : moreRow(box); };
      chartFor(stage.name, column, place).update(points);
    });
  }
}

// --- following the run -----------------------------------------------------------------------------------------------------

async function refresh() {
  let wait = 2000;
  try {
    if (!document.hidden) {
      const [progress, curves, models] =
          await Promise.all([fetchJson("/api/run/progress"), fetchJson("/api/run/curves"), fetchJson("/v1/models")]);
      const state = showProgress(progress);
      showCurves(curves);
      const ids = models.data.map(model => model.id);
      const changed = ids.join() !== available.join();
      showModels(ids);
      if (changed || !$("suggestions").children.length) showSuggestions((await fetchJson("/api/run/suggestions")).suggestions);
      if (state === "done") wait = 15000;
    }
    $("offline").hidden = true;
  } catch (error) {
    $("offline").hidden = false;
    wait = 4000;
  }
  setTimeout(refresh, wait);
}

showModels([]);
grow();
refresh();
