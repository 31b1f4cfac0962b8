// What the tests against the real program share: a run's folder at the smallest scale, servers in team mode, people each in a
// browser context of their own, and a small OpenAI-compatible server whose replies a test lets out piece by piece.
import {spawn, spawnSync} from "node:child_process";
import {cpSync, existsSync, mkdtempSync, rmSync} from "node:fs";
import http from "node:http";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import {chromium} from "playwright-core";
import {check, newPage, until} from "../e2e/tools.mjs";

export {check, until};
export const LONG = Number(process.env.LOQUAT_TEST_WAIT_MS ?? 120_000); // the longest that anything may take: a machine under load decides nothing
export const PASSWORD = "seven quiet ferries";
export const program = path.resolve(process.env.LOQUAT ?? path.join(import.meta.dirname, "../../../build/release/loquat"));
const recipe = path.join(import.meta.dirname, "../../../recipes/town.toml");

export function run(...args) {
  const {status, stdout, stderr} = spawnSync(program, args, {encoding: "utf8"});
  if (status !== 0) throw new Error(`loquat ${args.slice(0, 2).join(" ")} ended with ${status}: ${stderr}`);
  return stdout;
}

export async function openBrowser() {
  const executablePath = [process.env.CHROME, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(file => file && existsSync(file));
  if (!executablePath) {
    console.log("real: skipped: there is no Chromium ($CHROME names one; tools/install.sh --tests installs it)");
    process.exit(77);
  }
  return chromium.launch({executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage"]});
}

async function freePort() {
  const server = net.createServer();
  await new Promise(done => server.listen(0, "127.0.0.1", done));
  const {port} = server.address();
  await new Promise(done => server.close(done));
  return port;
}

// A server of the program. It may be killed and started again at the same address.
class Server {
  said = "";
  constructor(folder, port, args, env) {
    Object.assign(this, {folder, port, args, env, url: `http://127.0.0.1:${port}`});
  }
  async start() {
    const child = spawn(program, ["serve", this.folder, "--port", String(this.port), "--grace", "1", ...this.args], {stdio: ["ignore", "ignore", "pipe"], env: {...process.env, ...this.env}});
    this.child = child;
    let mine = "";
    child.stderr.on("data", bytes => { mine += bytes; this.said += bytes; });
    await until(() => {
      if (child.exitCode !== null) throw new Error(`the server ended: ${mine}`);
      return /at http:\S+/.test(mine);
    }, "the server", LONG);
  }
  async kill() {
    this.child.kill("SIGKILL");
    await until(() => this.child.signalCode !== null, "the server's death", LONG);
  }
  async stop() {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return check(false, `the server ended by itself: ${this.said.slice(-2000)}`);
    this.child.kill("SIGTERM");
    await until(() => this.child.exitCode !== null, "the server's end", LONG);
    check(this.child.exitCode === 0, `the server ended with ${this.child.exitCode}: ${this.said.slice(-2000)}`);
  }
}

// Somebody with a browser of their own.
class Person {
  constructor(world, server, context, page, name, email) {
    Object.assign(this, {world, server, context, page, name, email});
  }
  get url() {
    return this.server.url;
  }
  async go(where) {
    await this.page.goto(this.url + where);
  }
  // The page's own API, as this person: what the page shows is held against what the server keeps.
  async api(method, where, data) {
    const headers = {origin: this.url};
    if (method !== "GET") headers["x-loquat-csrf"] = (await (await this.context.request.get(`${this.url}/api/app/session`)).json()).csrf;
    const answer = await this.context.request.fetch(`${this.url}/api/app${where}`, {method, headers, timeout: LONG, ...(data !== undefined && {data})});
    if (!answer.ok()) throw new Error(`${method} ${where}: ${answer.status()} ${await answer.text()}`);
    return answer.status() === 204 ? null : answer.json();
  }
  get(where) {
    return this.api("GET", where);
  }
}

export class World {
  #work = mkdtempSync(path.join(os.tmpdir(), "loquat-real-"));
  #run = null;
  #closers = [];
  #errors = [];
  #folders = 0;
  constructor(browser, given) {
    this.browser = browser;
    this.given = given;
  }
  // A fresh copy of one run, which is made once.
  folder() {
    if (!this.#run) {
      this.#run = this.given ?? path.join(this.#work, "run");
      if (!this.given) run("recipe", "run", recipe, "--scale", "smoke", "--out", this.#run);
    }
    const folder = path.join(this.#work, `copy-${++this.#folders}`);
    cpSync(this.#run, folder, {recursive: true});
    return folder;
  }
  file(name) {
    return path.join(this.#work, name);
  }
  async serve(args = [], env = {}) {
    const server = new Server(this.folder(), await freePort(), args, env);
    await server.start();
    this.#closers.push(() => server.stop());
    return server;
  }
  // A server in team mode and the link of its first admin's invitation. `also`: further arguments, of the port.
  async team(also = () => [], env = {}) {
    const folder = this.folder(), port = await freePort(), database = path.join(folder, "team.db");
    const {link} = JSON.parse(run("people", "invite", "--role", "admin", "--database", database, "--url", `http://127.0.0.1:${port}`, "--json"));
    const server = new Server(folder, port, ["--database", database, ...also(port)], env);
    await server.start();
    this.#closers.push(() => server.stop());
    return {server, link, database};
  }
  async person(server, name, email = `${name.toLowerCase()}@example.org`, options = {}) {
    const {page, context} = await newPage(this.browser, options);
    page.setDefaultTimeout(LONG);
    context.setDefaultNavigationTimeout(LONG);
    this.watch(page, name);
    this.#closers.push(() => context.close());
    return new Person(this, server, context, page, name, email);
  }
  // What breaks on a page, or what its content policy refuses, fails the test.
  watch(page, name) {
    page.on("pageerror", error => this.#errors.push(`${name}: ${error.message}`));
    page.on("console", message => { if (/Content Security Policy/.test(message.text())) this.#errors.push(`${name}: ${message.text()}`); });
  }
  // Joins by the API and signs in: where the joining itself is not what is tested.
  async member(server, link, name, options = {}) {
    const person = await this.person(server, name, undefined, options);
    const invitation = link.split("/join/")[1];
    const answer = await person.context.request.post(`${server.url}/api/app/join`, {headers: {origin: server.url}, data: {invitation, email: person.email, name, password: PASSWORD}, timeout: LONG});
    if (answer.status() !== 204) throw new Error(`${name} cannot join: ${await answer.text()}`);
    await person.api("PATCH", "/settings", {asked: true, may_review: true, may_train: true});
    return person;
  }
  // A team: {admin, NAME: person...} of {NAME: roles}.
  async members(roles, also, env) {
    const {server, link, database} = await this.team(also, env);
    const admin = await this.member(server, link, "Ada");
    const people = {server, database, admin};
    for (const [name, theirs] of Object.entries(roles)) {
      const made = await admin.api("POST", "/invitations", {roles: theirs});
      people[name] = await this.member(server, made.link, name[0].toUpperCase() + name.slice(1));
    }
    return people;
  }
  async screenshots(topic) {
    for (const [c, context] of this.browser.contexts().entries()) {
      for (const [p, page] of context.pages().entries()) await page.screenshot({path: path.join(os.tmpdir(), `real-${topic}-${c}-${p}.png`)}).catch(() => {});
    }
  }
  onClose(f) {
    this.#closers.push(f);
  }
  // Ends what a topic opened, the newest first.
  async closeAll() {
    for (const close of this.#closers.splice(0).reverse()) await close();
    check(this.#errors.length === 0, `on the page: ${this.#errors.splice(0).join("; ")}`);
  }
  remove() {
    rmSync(this.#work, {recursive: true, force: true});
  }
}

// A model elsewhere. Its reply is `words`, or parts of a delta; `hold()` keeps what comes after the next piece until `letGo()`.
export async function startUpstream() {
  const state = {requests: [], words: () => ["A short ", "answer."], held: null, left: 0};
  const server = http.createServer((request, response) => {
    let body = "";
    request.on("data", bytes => { body += bytes; });
    request.on("end", async () => {
      const asked = JSON.parse(body || "{}");
      state.requests.push({url: request.url, authorization: request.headers.authorization ?? "", ...asked});
      response.on("close", () => { if (!response.writableFinished) ++state.left; });
      response.writeHead(200, {"Content-Type": "text/event-stream"});
      const chunk = (delta, finish_reason = null) => response.write(`data: ${JSON.stringify({id: "c", object: "chat.completion.chunk", created: 1, model: asked.model, choices: [{index: 0, delta, finish_reason}]})}\n\n`);
      chunk({role: "assistant", content: ""});
      for (const word of state.words(asked)) {
        chunk(typeof word === "string" ? {content: word} : word);
        await state.held;
      }
      chunk({}, "stop");
      response.end("data: [DONE]\n\n");
    });
  });
  await new Promise(done => server.listen(0, "127.0.0.1", done));
  let letGo = () => {};
  return {
    state, url: `http://127.0.0.1:${server.address().port}/v1`,
    hold: () => { state.held = new Promise(done => { letGo = done; }); },
    letGo: () => { state.held = null; letGo(); },
    close: () => new Promise(done => { letGo(); server.closeAllConnections(); server.close(done); }),
  };
}

// Runs a person's steps one after the other, each with its time.
export async function steps(topic, list) {
  for (const [name, step] of list) {
    const begin = Date.now();
    try {
      await step();
    } catch (error) {
      error.message = `${topic}, ${name}: ${error.message}`;
      throw error;
    }
    console.log(`  ${topic}: ${name} (${((Date.now() - begin) / 1000).toFixed(1)} s)`);
  }
}

export const box = page => page.getByRole("textbox", {name: "Your message"});
export const replies = page => page.locator("article.assistant");
export async function write(page, text) {
  await box(page).fill(text);
  await box(page).press("Enter");
}
// Writes, and waits for the end of the reply to it.
export async function say(page, text) {
  const before = await page.locator("article.message").count();
  await write(page, text);
  await until(() => page.evaluate(n => {
    const all = [...document.querySelectorAll("article.message")];
    const last = all.at(-1);
    return all.length >= n + 2 && last.classList.contains("assistant") && !last.hasAttribute("aria-busy");
  }, before), `the reply to “${text}”`, LONG);
}
