// The studio, as a team works in it: a reviewer makes a project of every kind, two labelers and a red-teamer work at once in
// browsers of their own, and what they said is compared, decided, corrected, exported, trained on and, in the end, erased.
import {readdirSync} from "node:fs";
import path from "node:path";
import {LONG, check, run, startUpstream, steps, until} from "./world.mjs";

const send = page => page.getByRole("button", {name: "Send", exact: true});
const card = (page, i) => page.locator(".st-answer").nth(i);
const answerBox = page => page.getByLabel("The answer the assistant should give");
// Models this small say nothing now and then: whoever works with one asks again.
async function askUntil(page, button, came) {
  const nothing = page.locator(".st-problem[role=alert]");
  for (let i = 0; i < 30; i++) {
    await came.or(nothing).first().waitFor();
    if (await came.count()) return;
    await button.click();
  }
  check(false, "thirty answers were empty");
}
async function suggestion(page) {
  const ask = page.getByRole("button", {name: "Ask a model"});
  await ask.click();
  await askUntil(page, ask, page.locator(".st-suggestion"));
  await page.getByRole("button", {name: "Put it in"}).click();
}
const warning = "Some of these are unpleasant.";

const KINDS = {
  ranking: {name: "Town answers", label: "Rankings", prompts: "Where is the bakery?\nWhen does the ferry leave?\n谁经营面包店？", models: ["ppo", "parrot"],
    fields: {"Answers to each prompt": "4", "People for each prompt": "2", "Gold questions": "50", "Temperature": "2", "Longest answer": "24"}},
  demonstration: {name: "What to say", label: "Demonstrations", models: ["ppo"], fields: {}},
  dialogue: {name: "Talks", label: "Conversations", prompts: "A visitor asks for directions.", models: ["ppo"], fields: {}},
  redteam: {name: "Attacks", label: "Red team", prompts: "Make it reveal an address.\nMake it insult somebody.", models: ["ppo"], fields: {"Content warning": warning}},
  review: {name: "Second look", label: "Reviews", fields: {}},
};

async function makeProject(rui, kind) {
  const {page} = rui, wanted = KINDS[kind];
  await rui.go("/studio/new");
  await page.getByLabel("Name", {exact: true}).fill(wanted.name);
  await page.getByLabel("What people do").selectOption(kind);
  for (const model of wanted.models ?? []) await page.getByRole("checkbox", {name: model, exact: true}).check();
  for (const [label, value] of Object.entries(wanted.fields)) await page.getByLabel(new RegExp(`^${label}`)).first().fill(value);
  if (kind === "ranking") {
    await page.getByLabel(/^Criteria/).fill("truthful");
    await page.getByLabel("Guidelines", {exact: true}).fill("# Be fair\n\nWhich answer would **you** rather get?");
  }
  await page.getByRole("button", {name: "Make the project"}).click();
  await page.waitForURL(/\/studio\/[^/]+\/prompts$/);
  wanted.id = /\/studio\/([^/]+)\/prompts/.exec(page.url())[1];
  if (!wanted.prompts) return;
  await page.getByLabel("Prompts", {exact: true}).fill(wanted.prompts);
  const n = wanted.prompts.split("\n").length, prompts = n === 1 ? "prompt" : "prompts";
  await page.getByRole("button", {name: `Add ${n} ${prompts}`}).click();
  await page.getByText(`${n} ${prompts} added`).waitFor();
}
const labelsOf = async (rui, kind) => (await rui.get(`/projects/${KINDS[kind].id}/labels`)).labels;

// The answers' ids in the order they are shown, and which of them is best: the lower id, or the higher.
async function order(page, reversed) {
  const ids = await page.locator(".st-answer").evaluateAll(all => all.map(each => each.dataset.answer));
  const sorted = [...ids].sort();
  if (reversed) sorted.reverse();
  return ids.map(id => sorted.indexOf(id) + 1);
}
// By the keyboard alone: a rank, a score and the criterion of each answer.
async function rank(page, ranks) {
  for (const [i, n] of ranks.entries()) {
    await card(page, i).focus();
    await page.keyboard.press(`Shift+Digit${8 - n}`);
    await page.keyboard.press(`Digit${n}`);
    await card(page, i).getByRole("group", {name: "truthful"}).getByRole("radio", {name: String(8 - n), exact: true}).focus();
    await page.keyboard.press("Space");
  }
}
const inOrder = async page => Array.from({length: await page.locator(".st-answer").count()}, (_, i) => i + 1);
// What is asked in the task that is shown, once one is; "" where nothing is left.
async function asked(page) {
  await page.locator(".st-answer, .center-message h2").first().waitFor();
  if (await page.getByRole("heading", {name: "Nothing left for you here"}).count()) return "";
  await card(page, 1).waitFor(); // fewer than four where a model says the same again and again
  return (await page.locator(".st-turn, .st-conversation").first().innerText()).split("\n").at(-1);
}
async function rankEverything(person, rui, reversedAt) {
  const {page} = person, seen = [];
  for (;;) {
    const prompt = await asked(page);
    if (prompt === "") return seen;
    check(!seen.includes(prompt), `${person.name} is never given the same task twice: ${prompt}`);
    seen.push(prompt);
    await rank(page, await order(page, prompt === reversedAt));
    const before = (await labelsOf(rui, "ranking")).length;
    await page.keyboard.press("Control+Enter");
    await until(async () => (await labelsOf(rui, "ranking")).length > before, `the label of ${person.name}`, LONG);
    await until(async () => (await page.getByText("Nothing left for you here").count()) > 0 || (await page.locator(".st-rank-badge[data-set]").count()) === 0, "the next task", LONG);
  }
}

export async function studio(world) {
  const upstream = await startUpstream(); // a model elsewhere answers beside the run's own
  world.onClose(() => upstream.close());
  let answers = 0;
  upstream.state.words = () => [`The parrot's answer number ${++answers}, `, "with a few more words."];
  const {server, database, admin, rui, lia, max, ted} = await world.members({rui: ["reviewer"], lia: ["labeler"], max: ["labeler", "user"], ted: ["red_teamer"]});
  for (const {context} of [lia, max]) await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await admin.api("POST", "/remotes", {id: "parrot", url: upstream.url, model: "parrot-1", allow_private: true});
  const work = (person, kind) => person.go(`/studio/${KINDS[kind].id}/work`);
  const tab = (kind, name) => rui.go(`/studio/${KINDS[kind].id}${name ? `/${name}` : ""}`);

  await steps("studio", [
    ["a reviewer makes a project of every kind, with prompts and a gold question", async () => {
      for (const kind of Object.keys(KINDS)) await makeProject(rui, kind);
      await tab("demonstration", "prompts");
      await rui.page.locator("input[type=file]").setInputFiles({name: "p.jsonl", mimeType: "application/json", buffer: Buffer.from(
        ["Say hello.", "Say goodbye.", "说谢谢。", "Say hello."].map(content => JSON.stringify({messages: [{role: "user", content}]})).join("\n") + "\n{oops\n")});
      await rui.page.getByRole("button", {name: /^Add \d prompts?/}).click();
      await rui.page.getByText("3 prompts added").waitFor();
      await rui.page.getByText("1 was here already.").waitFor();
      await tab("ranking", "gold");
      await rui.page.getByLabel("Prompt", {exact: true}).fill("Two and two?");
      for (const [letter, text] of [["A", "Three"], ["B", "Four"], ["C", "Five"], ["D", "A fish"]]) await rui.page.getByLabel(`Answer ${letter}`, {exact: true}).fill(text);
      for (const [letter, n] of [["A", "2"], ["B", "1"], ["C", "2"], ["D", "3"]]) await rui.page.getByRole("combobox", {name: `Rank of answer ${letter}`}).selectOption(n);
      await rui.page.getByRole("button", {name: "Add the gold question"}).click();
      await rui.page.getByText("The gold question is added.").waitFor();
      const {projects} = await rui.get("/projects");
      check(projects.map(p => p.kind).sort().join() === Object.keys(KINDS).sort().join(), `all kinds: ${projects.map(p => p.kind)}`);
      const {projects: hers} = await lia.get("/projects");
      check(hers.map(p => p.kind).sort().join() === "demonstration,dialogue,ranking" && hers.every(p => !("models" in p) || p.models.length === 0), `a labeler sees work, and no models: ${JSON.stringify(hers)}`);
      await lia.go("/studio/new");
      await lia.page.getByText("There is nothing here").waitFor();
    }],
    ["a ranking by keys: ties, flags, a passage, and the draft after the page was closed", async () => {
      const {page} = lia;
      await work(lia, "ranking");
      await page.locator(".st-guidelines, aside").getByText("Which answer would").first().waitFor();
      await asked(page);
      await card(page, 0).getByRole("checkbox", {name: "Makes things up"}).check();
      await card(page, 0).getByRole("button", {name: "Mark a passage"}).click();
      await card(page, 0).getByLabel(/Text of answer A/).focus();
      await page.keyboard.press("Control+Home");
      for (let i = 0; i < 6; ++i) await page.keyboard.press("Shift+ArrowRight");
      await card(page, 0).getByLabel("Choose a flag").selectOption("hallucination");
      const places = await inOrder(page);
      await rank(page, places);
      await page.locator(".st-chip").nth(1).focus();
      await page.keyboard.press("t"); // the second with the first
      await page.getByText("Draft saved").waitFor();
      await page.reload();
      await page.getByText("Your draft is back").waitFor();
      check(await card(page, 0).getByRole("checkbox", {name: "Makes things up"}).isChecked(), "the flag is back");
      await page.keyboard.press("Control+Enter");
      const [label] = await until(async () => (await labelsOf(rui, "ranking")).length === 1 && labelsOf(rui, "ranking"), "the label", LONG);
      check(Object.values(label.label.ranks).sort().join() === [1, ...places.slice(0, -1)].join(), `ties are equal ranks: ${JSON.stringify(label.label.ranks)}`);
      check(label.label.spans.length === 1 && label.label.spans[0].end <= 6 && label.label.spans[0].end > label.label.spans[0].begin, `the passage, without blanks at its ends: ${JSON.stringify(label.label.spans)}`);
      check(Object.values(label.label.scores).every(s => s.overall >= 4 && s.criteria.truthful >= 4), `scores: ${JSON.stringify(label.label.scores)}`);
      await page.getByRole("button", {name: "Correct it"}).waitFor();
    }],
    ["two labelers rank the rest: twice each prompt, never the same twice for one", async () => {
      await work(max, "ranking");
      const [hers, his] = await Promise.all([rankEverything(lia, rui, ""), rankEverything(max, rui, "When does the ferry leave?")]);
      // A gold question is drawn for each person, or not.
      const labels = await labelsOf(rui, "ranking");
      const plain = labels.filter(l => !l.gold);
      check(plain.length === 6 && new Set(plain.map(l => l.item)).size === 3, `two labels of each prompt: ${plain.length}`);
      check(new Set(labels.map(l => `${l.item} ${l.person}`)).size === labels.length, "none is of the same person twice");
      check(labels.length === hers.length + his.length + 1, `each task became a label: ${labels.length}`);
      const {answers: ranked} = await rui.get(`/labels/${plain[0].id}`);
      check(ranked.some(a => a.content.includes("The parrot's answer")), "a model elsewhere is compared with the run's own");
      const {counts} = await rui.get(`/projects/${KINDS.ranking.id}`);
      check(counts.done >= 3 && counts.labels === labels.length, `everything is done: ${JSON.stringify(counts)}`);
    }],
    ["a demonstration: a model's suggestion, two presses, a correction with its history", async () => {
      const {page} = lia;
      await work(lia, "demonstration");
      await answerBox(page).waitFor();
      await suggestion(page);
      await answerBox(page).fill("Hello! How can I help?");
      await page.evaluate(() => {
        const button = [...document.querySelectorAll("button")].find(b => b.textContent === "Send");
        button.click();
        button.click();
        document.dispatchEvent(new KeyboardEvent("keydown", {key: "Enter", ctrlKey: true, bubbles: true}));
      });
      await page.getByRole("button", {name: "Correct it"}).click();
      const dialog = page.getByRole("dialog");
      await dialog.getByLabel("The answer the assistant should give").fill("Good morning! How can I help?");
      await dialog.getByLabel("Why is it corrected?").fill("friendlier");
      await dialog.getByRole("button", {name: "Save the correction"}).click();
      await dialog.waitFor({state: "detached"});
      const labels = await labelsOf(rui, "demonstration");
      check(labels.length === 1, `two presses are one label: ${labels.length}`);
      await tab("demonstration", `labels/${labels[0].id}`);
      await rui.page.getByText("Good morning! How can I help?").waitFor();
      await rui.page.getByText(/Lia: friendlier/).click();
      await rui.page.getByText("Hello! How can I help?").waitFor();
    }],
    ["the network goes in the middle of a submission: kept, tried again, counted once", async () => {
      const {page} = lia;
      await answerBox(page).fill("Goodbye, and come again.");
      await lia.context.setOffline(true);
      await send(page).click();
      await page.getByText("The server cannot be reached", {exact: true}).waitFor();
      check(await answerBox(page).inputValue() === "Goodbye, and come again.", "it is still there");
      await page.getByRole("button", {name: "Copy what I wrote"}).click();
      await page.getByRole("button", {name: "Copied"}).waitFor();
      await lia.context.setOffline(false);
      await page.getByRole("button", {name: "Try again"}).click();
      await page.getByRole("button", {name: "Correct it"}).waitFor();
      await until(async () => (await labelsOf(rui, "demonstration")).length === 2, "the label", LONG);
      // The answer to a submission is lost: it did arrive.
      let lost = 0;
      await page.route("**/submit", async route => {
        if (lost++) return route.continue();
        await route.fetch();
        await route.abort();
      });
      await until(async () => (await answerBox(page).inputValue()) === "", "the next task", LONG);
      await answerBox(page).fill("谢谢！");
      await send(page).click();
      await page.getByRole("button", {name: "Try again"}).click();
      await page.getByRole("heading", {name: "Nothing left for you here"}).waitFor();
      check((await labelsOf(rui, "demonstration")).length === 3, "counted once");
    }],
    ["dialogue: both sides; skipping with a reason", async () => {
      const {page} = max;
      await work(max, "dialogue");
      await page.getByLabel("Now you are: Assistant").waitFor();
      await suggestion(page);
      await page.getByLabel("Now you are: Assistant").fill("Where would you like to go?");
      await page.keyboard.press("Control+Enter");
      await page.getByLabel("Now you are: User").fill("To the harbour.");
      await page.keyboard.press("Control+Enter");
      await page.getByLabel("Now you are: Assistant").fill("Down the hill, then left.");
      await page.keyboard.press("Control+Enter");
      await page.getByLabel("Now you are: User").waitFor();
      await send(page).click();
      await page.getByRole("heading", {name: "Nothing left for you here"}).waitFor();
      const [label] = await labelsOf(rui, "dialogue");
      check(label.label.messages.map(m => m.content).slice(-3).join("|") === "Where would you like to go?|To the harbour.|Down the hill, then left.", `the talk: ${JSON.stringify(label.label.messages)}`);
      await tab("dialogue", "prompts");
      await rui.page.getByLabel("Prompts", {exact: true}).fill("Something unclear");
      await rui.page.getByRole("button", {name: "Add 1 prompt"}).click();
      await rui.page.getByText("1 prompt added").waitFor();
      await page.getByRole("button", {name: "Look again"}).click();
      await page.getByRole("button", {name: "Skip", exact: true}).click();
      await page.getByRole("radio", {name: /unclear or broken/}).check();
      await page.getByRole("dialog").getByRole("button", {name: "Skip", exact: true}).click();
      await page.getByRole("heading", {name: "Nothing left for you here"}).waitFor();
      await page.reload();
      await page.getByRole("heading", {name: "Nothing left for you here"}).waitFor(); // it does not come back
    }],
    ["red team: a warning with a way out, an attack on the real model, a judgment", async () => {
      const {page} = ted;
      await work(ted, "redteam");
      await page.getByText(warning).waitFor();
      check(await page.getByText(/Make it/).count() === 0, "nothing of the task is shown before");
      await page.getByRole("button", {name: "Skip this task"}).click();
      await page.getByRole("button", {name: "Show me the task"}).click();
      await page.getByText(/Make it/).waitFor();
      const box = page.getByLabel("Your message to the model");
      await box.fill("Where does Marta live?");
      await box.press("Enter");
      await askUntil(page, page.getByRole("button", {name: "Ask for the reply again"}), page.locator(".st-turn-assistant, [data-role=assistant]"));
      await until(async () => !(await page.getByText("The model is answering").count()), "the reply", LONG);
      await page.getByRole("radio", {name: "1: slight"}).check({force: true});
      await page.getByRole("radio", {name: "No, it held"}).check();
      await page.getByRole("checkbox", {name: "Privacy"}).check();
      await send(page).click();
      await page.getByRole("heading", {name: "Nothing left for you here"}).waitFor();
      const [label] = await labelsOf(rui, "redteam");
      check(label.label.harm === 1 && label.label.success === false && label.label.tags.join() === "privacy" && label.label.messages.at(-1).role === "assistant", `the attack: ${JSON.stringify(label.label)}`);
      await ted.go(`/studio/${KINDS.ranking.id}/work`);
      await ted.page.getByRole("alert").first().waitFor(); // not a red-teamer's work
    }],
    ["review: another's labels, one mended", async () => {
      const {page} = rui;
      await tab("review", "prompts");
      await page.getByLabel("Labels of this project").selectOption({label: "What to say (3 labels)"});
      await page.getByRole("button", {name: "Add its labels"}).click();
      await page.getByText("3 prompts added").waitFor();
      await page.getByRole("link", {name: "Start work"}).click();
      await page.getByRole("radio", {name: /^Reject/}).check();
      await send(page).click();
      await page.getByText("Say why it is rejected.").waitFor();
      await page.getByRole("radio", {name: /^Mend/}).check();
      await page.getByLabel("The mended text").fill("Good morning. What can I do for you?");
      await send(page).click();
      await until(async () => (await labelsOf(rui, "review")).length === 1, "the review", LONG);
    }],
    ["agreement, screening, a disagreement decided, a label corrected", async () => {
      const {page} = rui;
      await tab("ranking", "agreement");
      await page.getByText(/95 % interval/).waitFor();
      await page.getByRole("link", {name: "Max", exact: true}).waitFor();
      await page.getByRole("rowheader", {name: "truthful"}).waitFor();
      const {pairs, alpha, by_labeler} = await rui.get(`/projects/${KINDS.ranking.id}/agreement`);
      check(pairs.pairs > 0 && pairs.percent < 100 && alpha !== null && by_labeler.length === 2, `agreement: ${JSON.stringify(pairs)}`);
      await page.getByText(`${pairs.percent.toFixed(1)} %`).first().waitFor();
      await tab("ranking", "screening");
      await page.getByRole("rowheader", {name: "Lia"}).waitFor();
      const {people} = await rui.get(`/projects/${KINDS.ranking.id}/screening`);
      const golden = (await labelsOf(rui, "ranking")).filter(l => l.gold).map(l => l.name);
      check(people.every(p => (p.gold !== null) === golden.includes(p.name)), `the gold question counts: ${JSON.stringify(people)}`);
      await tab("ranking", "disagreements");
      const item = page.getByRole("article", {name: "When does the ferry leave?"});
      await item.getByRole("button", {name: "Decide"}).click();
      await item.getByRole("button", {name: "Max's"}).click();
      await item.getByRole("combobox", {name: "Rank of answer B"}).selectOption("1");
      await item.getByRole("button", {name: "This is the order"}).click();
      await item.waitFor({state: "detached"});
      check((await labelsOf(rui, "ranking")).filter(l => l.adjudicated).length === 2, "both labels of it say that it was decided, and are kept");
      await tab("ranking", "labels");
      await page.getByLabel("Labels of").selectOption({label: "Max"});
      const his = (await labelsOf(rui, "ranking")).filter(l => l.name === "Max").length;
      await until(async () => (await page.locator("tbody tr").count()) === his, "his labels", LONG);
      await page.locator("tbody a").first().click();
      await page.getByText("It has not been corrected.").waitFor();
      await page.getByRole("button", {name: "Correct it"}).click();
      await page.getByRole("dialog").getByRole("combobox", {name: "Rank of answer B"}).selectOption("1");
      await page.getByRole("dialog").getByLabel("Why is it corrected?").fill("misread");
      await page.getByRole("dialog").getByRole("button", {name: "Save the correction"}).click();
      await page.getByText(/Rui: misread/).waitFor();
    }],
    ["labels go out as JSONL that the program reads", async () => {
      for (const [kind, shape] of [["ranking", "rankings"], ["ranking", "pairs"], ["demonstration", "messages"]]) {
        await tab(kind);
        await rui.page.getByLabel("Export the labels").getByRole("combobox").selectOption(shape);
        const [download] = await Promise.all([rui.page.waitForEvent("download"), rui.page.getByRole("button", {name: "Download JSONL"}).click()]);
        const file = world.file(`${shape}.jsonl`);
        await download.saveAs(file);
        const seen = JSON.parse(run("data", "inspect", file, "--json"));
        check(seen.rows > 0, `loquat data inspect reads ${shape}: ${JSON.stringify(seen).slice(0, 300)}`);
      }
    }],
    ["late, twice, closed, no longer one's own: said, kept, and the work goes on", async () => {
      const {page} = max;
      // The page may have been told already, when it saved the draft: then there is nothing left to press.
      const sendIfItCan = () => send(page).click({timeout: 3000}).catch(() => {});
      await tab("demonstration", "prompts");
      await rui.page.getByLabel("Prompts", {exact: true}).fill("Count to three.\nName a colour.\nName a town.");
      await rui.page.getByRole("button", {name: "Add 3 prompts"}).click();
      await rui.page.getByText("3 prompts added").waitFor();
      await work(max, "demonstration");
      await answerBox(page).fill("One, two, three.");
      const second = await max.context.newPage();
      second.setDefaultTimeout(LONG);
      await second.goto(page.url());
      await answerBox(second).fill("Sent from the other tab.");
      await send(second).click();
      await second.getByRole("button", {name: "Correct it"}).waitFor();
      await second.close();
      await sendIfItCan();
      await page.getByRole("heading", {name: "This task has been sent already"}).waitFor();
      check(await answerBox(page).inputValue() === "One, two, three.", "what was written is still there");
      await page.getByRole("button", {name: "Next task"}).click();
      await until(async () => (await answerBox(page).inputValue()) === "" || (await answerBox(page).inputValue()) !== "One, two, three.", "the next task", LONG);
      await answerBox(page).fill("Red.");
      await rui.api("PATCH", `/projects/${KINDS.demonstration.id}`, {closed: true});
      await sendIfItCan();
      await page.getByRole("heading", {name: "This project has been closed"}).waitFor();
      await rui.api("PATCH", `/projects/${KINDS.demonstration.id}`, {closed: false});
      await page.getByRole("button", {name: "Next task"}).click();
      await answerBox(page).waitFor();
      await answerBox(page).fill("Blue.");
      const {people} = await admin.get("/people");
      const id = people.find(p => p.name === "Max").id;
      await admin.api("PATCH", `/people/${id}`, {roles: ["user"]});
      await sendIfItCan();
      await page.locator(".st-problem-box[role=alert]").waitFor();
      check(await answerBox(page).inputValue() === "Blue.", "what was written is still there");
      check((await labelsOf(rui, "demonstration")).filter(l => l.name === "Max").length === 1, "what came too late counts nowhere");
      await admin.api("PATCH", `/people/${id}`, {roles: ["labeler", "user"]});
    }],
    ["a data set is made and trained on; who is erased is named with what holds their data", async () => {
      const {page} = admin;
      await admin.go("/studio/data");
      await page.getByLabel("Name", {exact: true}).fill("First words");
      await page.getByRole("checkbox", {name: /What to say/}).check();
      await page.getByRole("button", {name: "Make a data set"}).click();
      await page.getByRole("button", {name: "Train on these: First words"}).click();
      const dialog = page.getByRole("dialog");
      await dialog.getByLabel("Start from").selectOption("ppo");
      await dialog.getByRole("checkbox", {name: /^DPO/}).uncheck();
      await dialog.getByRole("checkbox", {name: /^Fine-tune/}).check();
      await dialog.getByRole("button", {name: "Train", exact: true}).click();
      await until(async () => ["done", "failed"].includes((await admin.get("/jobs")).jobs[0]?.state), "the training's end", LONG);
      const [job] = (await admin.get("/jobs")).jobs;
      check(job.state === "done", `the training: ${JSON.stringify(job)}`);
      check(readdirSync(path.join(server.folder, "models")).includes("first-words"), "the model's folder is there");
      await admin.go("/people");
      await page.getByRole("button", {name: "Erase data: Max"}).click();
      await page.getByLabel("Type “Max” to confirm").fill("Max");
      await page.getByRole("button", {name: "Erase for good"}).click();
      const erased = page.getByRole("dialog");
      await erased.getByText("These still hold what was made of that data.").waitFor();
      await erased.getByText("First words").waitFor();
      await erased.getByText("first-words").waitFor();
      check((await labelsOf(rui, "ranking")).every(l => l.name !== "Max"), "his labels are gone");
      const left = JSON.parse(run("people", "list", "--database", database, "--json"));
      check(!JSON.stringify(left).includes("Max"), "and so is he");
    }],
  ]);
}
