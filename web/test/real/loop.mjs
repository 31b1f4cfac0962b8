// The loop closes, in Chromium against the real program: a person chats, says what was wrong, ranks answers in the studio,
// presses "Train on these", and sees the next model beside the last one, and talks to it. On the models of a run at the
// smallest scale, which only babble.
//   LOQUAT=build/release/loquat node test/real/loop.mjs [RUN FOLDER]      (made where none is given)
import {spawn, spawnSync} from "node:child_process";
import {cpSync, existsSync, mkdtempSync, readdirSync, rmSync} from "node:fs";
import os from "node:os";
import path from "node:path";
import {chromium} from "playwright-core";
import {check, failures, newPage, until} from "../e2e/tools.mjs";

const PROMPTS = 6; // ranked by the person

const executablePath = [process.env.CHROME, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(file => file && existsSync(file));
if (!executablePath) {
  console.log("loop: skipped: there is no Chromium ($CHROME names one; tools/install.sh --tests installs it)");
  process.exit(77);
}
const program = process.env.LOQUAT ?? path.resolve("../build/release/loquat");
const recipe = path.resolve(import.meta.dirname, "../../../recipes/town.toml");
const work = mkdtempSync(path.join(os.tmpdir(), "loquat-loop-"));
const folder = path.join(work, "run");

function makeRun() {
  if (process.argv[2]) return cpSync(process.argv[2], folder, {recursive: true});
  const made = spawnSync(program, ["recipe", "run", recipe, "--scale", "smoke", "--out", folder], {encoding: "utf8"});
  if (made.status !== 0) throw new Error(`no run: ${made.stderr}`);
}

// The server's address, once it listens.
function serve() {
  const server = spawn(program, ["serve", folder, "--port", "0"], {stdio: ["ignore", "ignore", "pipe"]});
  let said = "";
  server.stderr.on("data", bytes => { said += bytes; });
  return until(() => {
    const found = /at (http:\S+)/.exec(said);
    if (server.exitCode !== null) throw new Error(`the server ended: ${said}`);
    return found && {url: found[1], server, said: () => said};
  }, "the server");
}

// Says something, and waits for the reply's end.
async function say(page, text) {
  const box = page.locator(".composer textarea");
  await box.fill(text);
  await box.press("Enter");
  await page.getByText(text).first().waitFor();
  await page.getByRole("button", {name: "Stop", exact: true}).waitFor({state: "detached", timeout: 60_000});
  await page.getByRole("button", {name: "Good answer"}).first().waitFor();
}

async function chat(page, url) {
  await page.goto(url);
  await page.getByRole("button", {name: "Save my choice"}).click(); // what may be done with one's chats
  await say(page, "When does the ferry leave?");
  await page.reload();
  await page.getByText("When does the ferry leave?").first().waitFor(); // it is kept at the server
  const {conversations} = await (await page.request.get(`${url}/api/app/conversations`)).json();
  check(conversations.length === 1, `one conversation is kept, not ${conversations.length}`);
  const whole = await (await page.request.get(`${url}/api/app/conversations/${conversations[0].id}`)).json();
  check(whole.messages.length === 2 && ["done", "cut"].includes(whole.messages[1].state), `a question and its whole reply: ${JSON.stringify(whole.messages.map(m => m.state))}`);
  check(whole.messages[1].usage?.completion_tokens > 0, "the reply's tokens are counted");
}

async function rank(page, url) {
  await page.goto(`${url}/studio/new`);
  await page.getByLabel("Name", {exact: true}).fill("Town answers");
  for (const model of ["sft", "ppo"]) await page.getByRole("checkbox", {name: model, exact: true}).check();
  await page.getByLabel("Answers to each prompt").fill("4");
  await page.getByRole("button", {name: "Make the project"}).click();
  const prompts = Array.from({length: PROMPTS}, (_, i) => `Question ${i + 1}: where is the bakery?`).join("\n");
  await page.getByLabel("Prompts", {exact: true}).fill(prompts);
  await page.getByRole("button", {name: `Add ${PROMPTS} prompts`}).click();
  await page.getByText(`${PROMPTS} prompts added`).waitFor();
  const {projects} = await (await page.request.get(`${url}/api/app/projects`)).json();
  await page.goto(`${url}/studio/${projects[0].id}/work`);
  for (let task = 0; task < PROMPTS; ++task) {
    await page.getByText(`Question ${task + 1}: where is the bakery?`).waitFor({timeout: 60_000}); // the next one comes by itself
    await page.getByRole("heading", {name: "Answer A"}).waitFor();
    await rankOne(page);
    const labels = async () => (await (await page.request.get(`${url}/api/app/projects/${projects[0].id}/labels`)).json()).labels.length;
    await until(async () => (await labels()) === task + 1, `label ${task + 1}`, 60_000);
  }
}

// By the keyboard alone: each answer gets a score and a rank of its own.
async function rankOne(page) {
  const cards = await page.locator(".st-answer").count();
  for (let i = 0; i < cards; ++i) {
    await page.locator(".st-answer").nth(i).focus();
    await page.keyboard.press(`Shift+Digit${7 - i}`);
    await page.keyboard.press(`Digit${i + 1}`);
  }
  await page.keyboard.press("Control+Enter");
}

async function train(page, url) {
  await page.goto(`${url}/studio/data`);
  await page.getByLabel("Name", {exact: true}).fill("First round");
  await page.getByRole("checkbox", {name: /Town answers/}).check();
  await page.getByRole("button", {name: "Make a data set"}).click();
  await page.getByRole("button", {name: "Train on these: First round"}).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Start from").selectOption("ppo");
  check((await dialog.getByLabel("Name of the next model").inputValue()) === "first-round", "the data set's name is offered as the model's");
  await dialog.getByRole("button", {name: "Train", exact: true}).click();
  await page.getByText(/first-round (beats ppo on|and ppo are as good)/).waitFor({timeout: 120_000});
  await page.getByText(/answers side by side/).click();
  await page.getByText("Question 1: where is the bakery?").first().waitFor();
  check(readdirSync(path.join(folder, "models")).includes("first-round"), "the model's folder is there");
  const models = await (await page.request.get(`${url}/api/app/models`)).json();
  check(models.models.some(m => m.id === "first-round"), "the next model can be chosen");
}

makeRun();
const {url, server, said} = await serve();
const browser = await chromium.launch({executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage"]});
try {
  const {page} = await newPage(browser);
  const errors = [];
  page.on("pageerror", error => errors.push(error.message));
  for (const step of [chat, rank, train]) {
    const begin = Date.now();
    try {
      await step(page, url);
    } catch (error) {
      await page.screenshot({path: path.join(os.tmpdir(), `loop-${step.name}.png`)});
      throw error;
    }
    console.log(`${step.name} (${((Date.now() - begin) / 1000).toFixed(1)} s)`);
  }
  check(errors.length === 0, `script errors: ${errors.join("; ")}`);
} catch (error) {
  failures.push(String(error));
  console.log(error, said());
} finally {
  await browser.close();
  server.kill("SIGTERM");
  await until(() => server.exitCode !== null, "the server's end");
  check(server.exitCode === 0, `the server ended with ${server.exitCode}: ${said()}`);
  rmSync(work, {recursive: true, force: true});
}
console.log(failures.length ? `loop: ${failures.length} failed` : "loop: passed");
process.exit(failures.length ? 1 : 0);
