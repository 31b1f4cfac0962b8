// Axe on every view, in light, dark and on a phone: nothing serious, nothing critical.
import {readFile} from "node:fs/promises";
import {createRequire} from "node:module";
import {startFake} from "../fake-server.mjs";
import {fail, newPage} from "./tools.mjs";
import {signIn} from "./others.mjs";

const source = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const looks = {light: {colorScheme: "light"}, dark: {colorScheme: "dark"}, phone: {viewport: {width: 390, height: 780}, isMobile: true, hasTouch: true}};

async function look(page, where) {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("Runtime.evaluate", {expression: source}); // not a script of the page: its policy stands
  const {violations} = await page.evaluate(() => axe.run(document, {resultTypes: ["violations"]}));
  for (const {id, impact, nodes} of violations) {
    if (impact !== "serious" && impact !== "critical") continue;
    fail(`axe: ${where}: ${impact} ${id}: ${nodes.slice(0, 3).map(node => `${node.target.join(" ")} (${node.failureSummary?.split("\n")[1]?.trim()})`).join("; ")}`);
  }
}

export async function accessibility(browser) {
  for (const [name, options] of Object.entries(looks)) {
    const fake = await startFake({mode: "team", recipe: "running", pace: 2});
    const {page, context} = await newPage(browser, options);
    await page.goto(fake.url);
    await page.getByRole("button", {name: "Sign in"}).waitFor();
    await look(page, `${name} login`);
    await page.goto(`${fake.url}/join/x`);
    await page.getByRole("button", {name: "Join"}).waitFor();
    await look(page, `${name} join`);
    await page.goto(fake.url);
    await signIn(page);
    await page.getByText("What can I help with?").waitFor();
    await look(page, `${name} start`);
    const box = page.getByRole("textbox", {name: "Your message"});
    await box.fill("Hello");
    await box.press("Enter");
    await page.locator("article.assistant:not([aria-busy])").waitFor();
    await page.locator(".hljs-keyword").first().waitFor();
    await page.getByRole("button", {name: "Bad answer"}).click();
    await page.getByRole("button", {name: "Figures"}).click();
    await page.getByRole("button", {name: "Answer again"}).click();
    await page.getByText("Which answer is better?").waitFor();
    await look(page, `${name} chat`);
    await page.getByRole("button", {name: "Settings of this conversation"}).click();
    await page.getByRole("textbox", {name: "System prompt"}).waitFor();
    await look(page, `${name} panel`);
    for (const path of ["/blind", "/run", "/settings", "/c/none", "/nothing"]) {
      await page.goto(fake.url + path);
      await page.locator("main h1, main [role=alert]").first().waitFor();
      if (path === "/run") await page.locator(".chart").first().waitFor();
      await look(page, `${name} ${path}`);
    }
    if (name === "phone") {
      await page.goto(fake.url);
      await page.getByRole("button", {name: "Menu", exact: true}).click();
      await look(page, "phone drawer");
    }
    await context.close();
    await fake.close();
  }
}
