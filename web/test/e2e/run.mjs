// End-to-end tests of the page in Chromium against the fake server. The browser: $CHROME, or Debian's chromium.
//   node test/e2e/run.mjs [NAME...]      only the tests whose names hold one of these
import {existsSync} from "node:fs";
import {mkdtemp, rm} from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import {chromium} from "playwright-core";
import {accessibility} from "./axe.mjs";
import {tests as chat} from "./chat.mjs";
import {tests as others} from "./others.mjs";
import {tests as people} from "./people.mjs";
import {tests as reviews} from "./reviews.mjs";
import {tests as studioReview} from "./studio-review.mjs";
import {tests as studioWork} from "./studio-work.mjs";
import {fail, failures} from "./tools.mjs";
import {xss} from "./xss.mjs";

const executablePath = [process.env.CHROME, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(file => file && existsSync(file));
if (!executablePath) {
  console.log("e2e: skipped: there is no Chromium ($CHROME names one; tools/install.sh --tests installs it)");
  process.exit(77);
}
const wanted = process.argv.slice(2);
const work = await mkdtemp(path.join(os.tmpdir(), "loquat-e2e-"));
const browser = await chromium.launch({executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage"]});
const all = {...chat, ...others, ...studioWork, ...studioReview, ...people, ...reviews, accessibility, xss};
let ran = 0;
async function attempt(name, test) {
  try {
    await test(browser, work);
  } catch (error) {
    fail(`${name}: ${error.stack ?? error}`);
  }
}
for (const [name, test] of Object.entries(all)) {
  if (wanted.length && !wanted.some(part => name.includes(part))) continue;
  ++ran;
  const begin = Date.now(), before = failures.length;
  await attempt(name, test);
  let again = "";
  if (failures.length > before) { // a busy machine, or a fault? Only what fails twice is one.
    failures.length = before;
    again = ", at the second try";
    await attempt(name, test);
  }
  console.log(`${name} (${((Date.now() - begin) / 1000).toFixed(1)} s${again})`);
}
await browser.close();
await rm(work, {recursive: true, force: true});
console.log(failures.length ? `e2e: ${failures.length} failed` : `e2e: ${ran} passed`);
process.exit(failures.length ? 1 : 0);
