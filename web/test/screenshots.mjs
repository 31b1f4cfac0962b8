// Pictures of the main views for the documentation, from the fake server: node test/screenshots.mjs [FOLDER] (docs/images).
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
async function view(name, at, options, prepare) {
  const fake = await startFake({recipe: "running", pace: 1});
  fake.world.people.get("local").settings.asked = true;
  const {page, context} = await newPage(browser, options);
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
  await page.getByRole("button", {name: "Bad answer"}).first().click();
});
await view("run", "/run", {}, async page => {
  await page.getByRole("button", {name: "When does the ferry leave?"}).click();
  await page.locator(".chart").first().waitFor();
});
await view("run-phone", "/run", {...phone, colorScheme: "dark"}, page => page.locator(".chart").first().waitFor());
await view("blind", "/blind", {}, async page => {
  await page.getByRole("textbox", {name: "Your question"}).fill("Who are you?");
  await page.getByRole("button", {name: "Ask both"}).click();
  await page.locator(".votes button:enabled").first().waitFor();
});
await view("settings", "/settings", {}, page => page.getByRole("heading", {name: "Privacy"}).waitFor());
await view("start", "/", {}, async (page, fake) => {
  fake.world.people.get("local").settings.asked = false;
  await page.reload();
  await page.getByText("What can I help with?").waitFor();
});
await browser.close();
