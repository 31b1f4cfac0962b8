// Pictures of the main views for the documentation, from the fake server: node test/screenshots.mjs [FOLDER] (docs/images). They
// want fonts that people have: Inter or the like, one with Chinese, one with emoji.
import {mkdir} from "node:fs/promises";
import path from "node:path";
import {fileURLToPath} from "node:url";
import {chromium} from "playwright-core";
import {newPage} from "./e2e/tools.mjs";
import {startFake} from "./fake-server.mjs";

const out = process.argv[2] ?? path.join(path.dirname(fileURLToPath(import.meta.url)), "../../docs/images");
await mkdir(out, {recursive: true});
const browser = await chromium.launch({executablePath: process.env.CHROME ?? "/usr/bin/chromium", args: ["--no-sandbox"]});
const reply = `The ferry leaves **twice a day**, and takes about 25 minutes.

| Day | To the island | Back |
| --- | ---: | ---: |
| Monday to Friday | 9:00 | 17:30 |
| Sunday | 11:00 | 16:00 |

To find the next one in a script:

\`\`\`python
def next_ferry(now, times):
    """The first departure that is still to come."""
    return min((t for t in times if t > now), default=None)
\`\`\`

With a mean speed of $v = 18\\,\\mathrm{km/h}$ the way is $$s = v \\cdot t = 18 \\cdot \\tfrac{25}{60} \\approx 7.5\\ \\mathrm{km}.$$
`;
const titles = ["When does the ferry leave?", "The history of the lighthouse", "A bread recipe without yeast", "Opening hours of the library", "Explain KL divergence simply", "Letter to the mayor"];

async function chat(name, options) {
  const fake = await startFake({recipe: "running", pace: 1});
  const settings = fake.world.people.get("local").settings;
  settings.asked = true;
  fake.world.reply = () => reply;
  const {page, context} = await newPage(browser, options);
  await page.goto(fake.url);
  for (const title of titles.slice(1).reverse()) fake.world.conversations.set(title, {id: title, owner: "local", title, pinned: title.startsWith("A bread"), system: "", model: "", sampling: {}, current: null, created: 1, updated: Math.floor(Date.now() / 1000) - 9, messages: []});
  await page.getByRole("textbox", {name: /Your message|您的消息/}).fill(titles[0]);
  await page.keyboard.press("Enter");
  await page.locator("article.assistant:not([aria-busy]) .katex").first().waitFor();
  await page.locator(".hljs-keyword").first().waitFor();
  await page.waitForTimeout(600);
  await page.screenshot({path: path.join(out, `${name}.png`)});
  await context.close();
  await fake.close();
}
async function view(name, at, {world = {}, as, ...options}, prepare) {
  const fake = await startFake({recipe: "running", pace: 1, ...(as && {mode: "team"}), ...world});
  for (const {settings} of fake.world.people.values()) settings.asked = true;
  const {page, context} = await newPage(browser, options);
  if (as) await context.request.post(`${fake.url}/api/app/login`, {data: {email: as, password: "correct horse"}});
  await page.goto(fake.url + at);
  await prepare(page, fake);
  await page.waitForTimeout(400);
  await page.screenshot({path: path.join(out, `${name}.png`)});
  await context.close();
  await fake.close();
}
const phone = {viewport: {width: 390, height: 800}, isMobile: true, hasTouch: true};
await chat("chat-light", {});
await chat("chat-dark", {colorScheme: "dark"});
await chat("chat-phone", phone);
await view("compare", "/", {}, async (page, fake) => {
  fake.world.reply = () => "The ferry leaves at **9:00** and 17:30.";
  await page.getByRole("textbox", {name: "Your message"}).fill(titles[0]);
  await page.keyboard.press("Enter");
  await page.locator("article.assistant:not([aria-busy])").waitFor();
  fake.world.reply = () => "It leaves *twice a day*: at 9:00 and at 17:30. On Sundays there is one more, at 11:00.";
  await page.getByRole("button", {name: "Answer again"}).click();
  await page.getByText("Which answer is better?").waitFor();
});
await view("run", "/run", {}, async page => {
  await page.getByRole("button", {name: "When does the ferry leave?"}).click();
  await page.locator(".chart").first().waitFor();
  await page.evaluate(() => document.activeElement?.blur());
});
await view("run-phone", "/run", {...phone, colorScheme: "dark"}, page => page.locator(".chart").first().waitFor());
await view("blind", "/blind", {}, async (page, fake) => {
  let asked = 0;
  fake.world.reply = () => ["The ferry leaves at **9:00** and **17:30** on weekdays, and at 11:00 on Sundays.\n\nIt takes about 25 minutes; bicycles travel free.",
    "There is always a ferry. Just go down to the harbour and wait for the next one."][asked++ % 2];
  const votes = {base: [["sft", "right"], ["ppo", "right"], ["ppo", "right"], ["sft", "tie"]], sft: [["ppo", "right"], ["ppo", "left"], ["base", "left"], ["ppo", "right"]]};
  for (const [left, others] of Object.entries(votes)) others.forEach(([right, choice], i) => fake.world.blind.set(`${left}-${i}`, {pair: [left, right], choice}));
  await page.getByRole("textbox", {name: "Your question"}).fill(titles[0]);
  await page.getByRole("button", {name: "Ask both"}).click();
  await page.locator(".votes button:enabled").first().click();
  await page.locator("table.scores").waitFor();
  await page.evaluate(() => document.activeElement?.blur());
});
await view("settings", "/settings", {}, page => page.getByRole("heading", {name: "Privacy"}).waitFor());
await view("start", "/", {}, async (page, fake) => {
  fake.world.people.get("local").settings.asked = false;
  await page.reload();
  await page.getByText("What can I help with?").waitFor();
});

// The studio, with what a town's labelers have done so far.
const studio = {world: {seeded: true, recipe: "none"}, viewport: {width: 1360, height: 900}};
const card = (page, i) => page.locator(".st-answer").nth(i);
async function rankAll(page) {
  await card(page, 3).waitFor();
  for (const [i, [rank, score]] of [[4, 2], [1, 6], [3, 3], [1, 6]].entries()) {
    await card(page, i).focus();
    await page.keyboard.press(`Shift+Digit${score}`);
    await page.keyboard.press(`Digit${rank}`);
    for (const criterion of ["truthful", "helpful"]) await card(page, i).getByRole("group", {name: criterion}).getByRole("radio", {name: String(score), exact: true}).check({force: true});
  }
  await card(page, 0).getByRole("checkbox", {name: "Harmful advice"}).check();
  await page.getByText("Draft saved").waitFor();
  await page.evaluate(() => document.activeElement?.blur());
}
const toBoard = page => page.locator(".st-board").evaluate(board => board.closest("main").scrollBy(0, board.getBoundingClientRect().top - 300));
await view("studio-ranking", "/studio/rank-town/work", studio, async page => {
  await rankAll(page);
  await page.locator("main").evaluate(main => main.scrollTo(0, 0));
});
await view("studio-order-dark", "/studio/rank-town/work", {...studio, colorScheme: "dark"}, async page => {
  await rankAll(page);
  await toBoard(page);
});
await view("studio-phone", "/studio/rank-town/work", {...studio, ...phone, deviceScaleFactor: 1.5}, async page => {
  await rankAll(page);
  await page.locator(".st-board").evaluate(board => board.closest("main").scrollBy(0, board.getBoundingClientRect().top - 130));
});
await view("studio-agreement", "/studio/rank-town/agreement", studio, page => page.getByText("76.4 %").first().waitFor());
await view("studio-disagreements-dark", "/studio/rank-town/disagreements", {...studio, colorScheme: "dark"}, page => page.getByText("How do I make quince jam?").first().waitFor());
await view("studio-data", "/studio/data", studio, page => page.getByText("round-1 beats ppo").waitFor());
await view("studio-people", "/people", {...studio, as: "ann@example.org"}, async (page, fake) => {
  fake.world.people.get("p-bo").disabled = true;
  await page.reload();
  await page.getByRole("button", {name: "Enable: Bo"}).waitFor();
});
await browser.close();
