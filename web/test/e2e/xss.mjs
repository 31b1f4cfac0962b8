// The corpus of markup made to run something, through the real renderer in Chromium under the page's own policy.
import {readFile} from "node:fs/promises";
import path from "node:path";
import {fileURLToPath} from "node:url";
import {build} from "vite";
import {startFake} from "../fake-server.mjs";
import {check, fail, newPage} from "./tools.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));

export async function xss(browser, work) {
  const dist = path.join(work, "harness");
  await build({root: path.join(here, "../harness"), configFile: path.join(here, "../../vite.config.ts"), publicDir: path.join(here, "../../public"), logLevel: "warn", build: {outDir: dist, emptyOutDir: true}});
  const corpus = JSON.parse(await readFile(path.join(here, "../xss-corpus.json"), "utf8"));
  check(corpus.length >= 150, `the corpus has ${corpus.length} cases`);
  const fake = await startFake({dist});
  const {page, context} = await newPage(browser);
  const seen = [];
  let now = "";
  page.on("dialog", dialog => { seen.push(`${now}: a dialog`); void dialog.dismiss(); });
  page.on("console", message => { if (message.type() === "error") seen.push(`${now}: ${message.text()}`); });
  page.on("pageerror", error => seen.push(`${now}: ${error.message}`));
  page.on("request", request => { if (!request.url().startsWith(`${fake.url}/`) ) seen.push(`${now}: a request to ${request.url()}`); });
  page.on("popup", () => seen.push(`${now}: a window`));
  await page.addInitScript(() => {
    window.__policy = [];
    document.addEventListener("securitypolicyviolation", event => window.__policy.push(`${event.violatedDirective} ${event.blockedURI}`));
  });
  await page.goto(fake.url);
  await page.evaluate(() => window.ready);
  for (const {name, text} of corpus) {
    now = name;
    const wrongs = await page.evaluate(([text]) => {
      const out = [...window.drawWhole(text), ...window.drawCut(text, 150)];
      // What would run at a touch is touched.
      for (const element of document.querySelectorAll("#root *")) for (const type of ["mouseover", "pointerenter", "focus", "toggle"]) element.dispatchEvent(new Event(type, {bubbles: true}));
      if (window.__xss) out.push("it ran");
      window.__xss = undefined;
      out.push(...window.__policy.splice(0));
      if (location.pathname !== "/") out.push("it went elsewhere");
      return [...new Set(out)].slice(0, 5);
    }, [text]);
    if (wrongs.length) fail(`xss: ${name}: ${wrongs.join("; ")}`);
  }
  await page.waitForTimeout(200);
  check(seen.length === 0, `xss: ${seen.slice(0, 5).join("\n")}`);
  await context.close();
  await fake.close();
  return corpus.length;
}
