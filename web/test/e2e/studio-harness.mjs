// What the studio's and the people's end-to-end tests share: a page in a world of its own, axe, waiting.
import {readFileSync} from "node:fs";
import {createRequire} from "node:module";
import assert from "node:assert/strict";
import {startFake} from "../fake-server.mjs";

const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let browser;
// Tests as run.mjs takes them: {name: f(browser)}; describe() gives those inside it a name before theirs.
export function collect() {
  const tests = {};
  let group = "";
  return {
    tests,
    describe: (name, f) => {
      group = `${name}: `;
      f();
      group = "";
    },
    it: (name, f) => {
      tests[group + name] = given => {
        browser = given;
        return f();
      };
    },
  };
}

// A page in a world of its own; f gets both. A script error or a breach of the content policy fails the test.
export async function withPage(options, f) {
  const {path = "/studio", as, context: contextOptions = {}, ...fakeOptions} = options;
  const fake = await startFake({seeded: true, pace: 1, ...(as && {mode: "team"}), ...fakeOptions});
  const context = await browser.newContext({viewport: {width: 1366, height: 900}, reducedMotion: "reduce", permissions: ["clipboard-read", "clipboard-write"], locale: "en", ...contextOptions});
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const errors = [];
  page.on("pageerror", error => errors.push(error.message));
  page.on("console", message => { if (message.type() === "error" && !/Failed to load resource/.test(message.text())) errors.push(message.text()); });
  try {
    if (as) {
      const answer = await context.request.post(`${fake.url}/api/app/login`, {data: {email: as, password: "correct horse"}});
      assert.equal(answer.status(), 204);
    }
    await page.goto(fake.url + path);
    await f(page, fake.world, fake);
    assert.deepEqual(errors, []);
  } finally {
    await context.close();
    await fake.close();
  }
}

// No serious or critical finding.
export async function checkAxe(page, what) {
  await page.evaluate(axeSource); // by the debugger: the page's policy stands
  const found = await page.evaluate(() => window.axe.run(document, {resultTypes: ["violations"]}));
  const bad = found.violations.filter(v => v.impact === "serious" || v.impact === "critical");
  assert.deepEqual(bad.map(v => `${what}: ${v.id} at ${v.nodes.slice(0, 3).map(n => n.target.join(" ")).join(", ")}: ${v.nodes[0]?.failureSummary ?? ""}`), []);
}

export async function until(f, what, ms = 60_000) {
  const end = Date.now() + ms;
  for (;;) {
    const value = await f();
    if (value) return value;
    if (Date.now() > end) assert.fail(`waited in vain: ${what}`);
    await new Promise(done => setTimeout(done, 40));
  }
}
