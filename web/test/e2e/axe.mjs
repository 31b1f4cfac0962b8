// Axe on every view, in light, dark and on a phone: nothing serious, nothing critical, nothing wider than the screen. Which views
// there are is read in the page's sources: one that has no row here fails.
import {readFile} from "node:fs/promises";
import {readdirSync, readFileSync} from "node:fs";
import {createRequire} from "node:module";
import path from "node:path";
import {startFake} from "../fake-server.mjs";
import {check, fail, newPage} from "./tools.mjs";

const source = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const looks = {light: {}, dark: {colorScheme: "dark"}, phone: {viewport: {width: 390, height: 780}, isMobile: true, hasTouch: true}};
const sources = path.join(import.meta.dirname, "../../src");
const project = "/studio/rank-town";

// Each pattern of the router's, with the paths where it is looked at and what is done there first.
const views = {
  "/": ["/", {at: "/", name: "settings of a new conversation", act: page => page.locator(".chat-head .icon-button").last().click()}],
  "/c/:id": [{at: "/", name: "a conversation", act: talk}, "/c/none"],
  "/run": [{at: "/run", act: page => page.locator(".chart").first().waitFor()}],
  "/blind": ["/blind", {at: "/blind", name: "a blind comparison", act: askBoth}],
  "/settings": ["/settings"],
  "/studio": ["/studio"],
  "/studio/new": ["/studio/new"],
  "/studio/data": ["/studio/data"],
  "/studio/:id": [project],
  "/studio/:id/:tab": tabsIn("views/studio/ProjectView.tsx").map(tab => `${project}/${tab}`),
  "/studio/:id/labels/:label": [`${project}/labels/label-10`],
  "/studio/:id/work": [...["rank", "demo", "talk", "attack", "review"].map(kind => `/studio/${kind}-town/work`),
    {at: "/studio/attack-town/work", name: "behind the warning", act: page => page.locator(".st-gate .button.primary").click()}],
  "/reviews": ["/reviews"],
  "/reviews/:id": ["/reviews/ferry"],
  "/people": ["/people"],
  "/people/:tab": tabsIn("views/people/PeopleView.tsx").map(tab => (tab === "people" ? "/people" : `/people/${tab}`)),
  "/join": [{at: "/join", out: true}],
  "/join/:invitation": [{at: "/join/x", out: true}],
};
// What no pattern names: signing in, and an address where nothing is.
const more = [{at: "/", name: "signing in", out: true}, "/nothing", "/studio/no/such/thing"];

function tabsIn(file) {
  const found = /const TABS = \[([^\]]*)\]/.exec(readFileSync(path.join(sources, file), "utf8"));
  return [...found[1].matchAll(/"([^"]+)"/g)].map(([, tab]) => tab);
}
function* filesBelow(folder) {
  for (const entry of readdirSync(folder, {withFileTypes: true})) {
    const at = path.join(folder, entry.name);
    if (entry.isDirectory()) yield* filesBelow(at);
    else if (/\.tsx$/.test(entry.name) && !/\.test\./.test(entry.name)) yield at;
  }
}
// Patterns of App.tsx's table, and those that views match by themselves below it.
export function patternsInSources() {
  const out = new Set();
  for (const file of filesBelow(sources)) {
    for (const [line, a, b] of readFileSync(file, "utf8").matchAll(/pattern: "([^"]+)"|match\("(\/[^"]*)", (?:path|usePath)/g)) if (line) out.add(a ?? b);
  }
  return [...out];
}

async function talk(page) {
  const box = page.locator(".composer textarea");
  await box.fill("Hello");
  await box.press("Enter");
  await page.locator("article.assistant:not([aria-busy])").waitFor();
  await page.locator(".hljs-keyword").first().waitFor();
  await page.locator("article.assistant .actions .icon-button").nth(3).click(); // a bad answer: the form for it
  await page.locator("article.assistant form.feedback").waitFor();
  await page.locator("article.assistant .actions .icon-button").nth(4).click(); // figures
  await page.locator("article.assistant .actions .icon-button").nth(1).click(); // answer again: which is better?
  await page.locator(".compare").waitFor();
}
async function askBoth(page) {
  await page.locator("textarea").fill("Hello");
  await page.locator("form .button.primary").click();
  await page.locator(".votes button:enabled").first().click();
  await page.locator("table.scores").waitFor();
}

// A conversation of somebody who lets reviewers read.
function reviewed(world) {
  const bo = world.people.get("p-bo");
  bo.settings = {...bo.settings, asked: true, may_review: true, may_train: true};
  const empty = {reasoning: "", tool_calls: [], files: [], model: "ppo", model_hash: "", sampling: {}, state: "done", error: "", usage: null, seconds: null, feedback: null, created: 1};
  const messages = [{...empty, id: "m0", parent: null, role: "user", content: "When does the ferry leave?"},
    {...empty, id: "m1", parent: "m0", role: "assistant", content: "At **nine**.", feedback: {thumb: "down", flags: ["hallucination"], comment: "no", better: "At ten."}}];
  world.conversations.set("ferry", {id: "ferry", owner: "p-bo", title: "The ferry", pinned: false, system: "", model: "ppo", sampling: {}, current: "m1", created: 1, updated: 1, messages});
}

async function look(page, where) {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("Runtime.evaluate", {expression: source}); // not a script of the page: its policy stands
  const {violations} = await page.evaluate(() => axe.run(document, {resultTypes: ["violations"]}));
  for (const {id, impact, nodes} of violations) {
    if (impact !== "serious" && impact !== "critical") continue;
    fail(`axe: ${where}: ${impact} ${id}: ${nodes.slice(0, 3).map(node => `${node.target.join(" ")} (${node.failureSummary?.split("\n")[1]?.trim()})`).join("; ")}`);
  }
  const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  check(over <= 0, `axe: ${where} is ${over} pixels too wide`);
}

export async function accessibility(browser) {
  for (const pattern of patternsInSources()) {
    const has = pattern.endsWith("/*") ? Object.keys(views).some(each => each.startsWith(pattern.slice(0, -2))) : pattern in views;
    check(has, `axe: the view ${pattern} is not looked at: it needs a row in axe.mjs`);
  }
  const all = [...Object.values(views).flat(), ...more].map(view => (typeof view === "string" ? {at: view} : view));
  for (const [name, options] of Object.entries(looks)) {
    const fake = await startFake({mode: "team", recipe: "running", seeded: true, pace: 1});
    fake.world.audit.push({id: "a", time: 1_790_000_000, person: "p-ann", name: "Ann", action: "person_changed", object: "p-bo", detail: {roles: ["user"]}});
    fake.world.people.get("p-bo").disabled = true;
    reviewed(fake.world);
    const {page, context} = await newPage(browser, options);
    const visit = async ({at, name: what = at, act}) => {
      await page.goto(fake.url + at);
      await page.locator("main h1, main [role=alert]").first().waitFor();
      await page.locator(".spinner").first().waitFor({state: "detached"});
      await act?.(page);
      await look(page, `${name}, ${what}`);
    };
    for (const view of all.filter(each => each.out)) await visit(view);
    await context.request.post(`${fake.url}/api/app/login`, {data: {email: "ann@example.org", password: "correct horse"}});
    for (const view of all.filter(each => !each.out)) await visit(view);
    if (options.viewport) {
      await page.goto(fake.url);
      await page.locator(".top-bar .icon-button").first().click();
      await page.locator(".sidebar.open .brand a").waitFor();
      await page.evaluate(() => Promise.allSettled(document.getAnimations().map(animation => animation.finished))); // it slides in
      await look(page, `${name}, the drawer`);
    }
    await context.close();
    await fake.close();
  }
}
