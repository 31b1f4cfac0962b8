// The page in Chromium against the real program.
//   LOQUAT=build/release/loquat node test/real/run.mjs [--run FOLDER] [TOPIC...]     (a run at the smallest scale is made without)
import {failures, fail} from "../e2e/tools.mjs";
import {chat} from "./chat.mjs";
import {loop} from "./loop.mjs";
import {oidc} from "./oidc.mjs";
import {people} from "./people.mjs";
import {reviews} from "./reviews.mjs";
import {studio} from "./studio.mjs";
import {openBrowser, World} from "./world.mjs";

const args = process.argv.slice(2);
const at = args.indexOf("--run");
const [, given] = at < 0 ? [] : args.splice(at, 2);
const topics = {people, oidc, studio, reviews, chat, loop};
const browser = await openBrowser();
const world = new World(browser, given);
try {
  for (const [name, topic] of Object.entries(topics)) {
    if (args.length && !args.includes(name)) continue;
    const begin = Date.now();
    try {
      await topic(world);
    } catch (error) {
      await world.screenshots(name);
      fail(error.stack ?? String(error));
    }
    await world.closeAll();
    console.log(`${name} (${((Date.now() - begin) / 1000).toFixed(1)} s)`);
  }
} finally {
  await browser.close();
  world.remove();
}
console.log(failures.length ? `real: ${failures.length} failed` : "real: passed");
process.exit(failures.length ? 1 : 0);
