// Login, join, settings, languages, the blind comparison and the recipe's page.
import {startFake} from "../fake-server.mjs";
import {check, newPage, until} from "./tools.mjs";

async function withPage(browser, options, f, pageOptions) {
  const fake = await startFake({pace: 4, ...options});
  const {page, context} = await newPage(browser, pageOptions);
  try {
    await page.goto(fake.url);
    await f(page, fake);
  } finally {
    await context.close();
    await fake.close();
  }
}
export async function signIn(page, email = "ann@example.org") {
  await page.getByLabel("E-mail address").fill(email);
  await page.getByLabel("Password").fill("correct horse");
  await page.getByRole("button", {name: "Sign in"}).click();
}

export const tests = {
  async "login, roles, signing out"(browser) {
    await withPage(browser, {mode: "team"}, async (page, fake) => {
      await page.getByLabel("E-mail address").fill("bo@example.org");
      await page.getByLabel("Password").fill("wrong");
      await page.getByRole("button", {name: "Sign in"}).click();
      await page.getByText("The e-mail address or the password is wrong.").waitFor();
      await signIn(page, "bo@example.org");
      await page.getByText("Signed in as Bo").waitFor();
      const links = page.getByRole("navigation", {name: "Main"}).getByRole("link");
      check(!(await links.allInnerTexts()).some(text => /Studio|People/.test(text)), "a user sees neither studio nor people");
      await page.goto(`${fake.url}/people`);
      await page.getByText("There is nothing here").waitFor();
      await page.goto(`${fake.url}/`);
      await page.getByRole("textbox", {name: "Your message"}).fill("Bo's draft");
      // The session ends elsewhere: the page asks to sign in again.
      fake.world.sessions.clear();
      await page.goto(`${fake.url}/`);
      await signIn(page);
      await page.getByText("Signed in as Ann").waitFor();
      check(await page.getByRole("textbox", {name: "Your message"}).inputValue() === "", "what one person wrote is not shown to the next");
      check((await links.allInnerTexts()).filter(text => /^(Studio|People)$/.test(text.trim())).length === 2, "an admin sees both");
      await page.getByRole("button", {name: "Sign out"}).click();
      await page.getByRole("button", {name: "Sign in"}).waitFor();
      await page.goto(`${fake.url}/?sign_in=uninvited`);
      await page.getByText("There is no account for you here yet.").waitFor();
      for (let i = 0; i < 5; ++i) {
        await page.getByLabel("E-mail address").fill("ann@example.org");
        await page.getByLabel("Password").fill("no");
        await page.getByRole("button", {name: "Sign in"}).click();
        await until(async () => (await page.getByLabel("Password").inputValue()) === "", "the try");
      }
      await page.getByLabel("Password").fill("no");
      await page.getByRole("button", {name: "Sign in"}).click();
      await page.getByText(/Too many tries\. Wait \d+ s/).waitFor();
    });
  },
  async "join by invitation, change the password"(browser) {
    await withPage(browser, {mode: "team"}, async (page, fake) => {
      fake.world.invitations.set("i", {id: "i", secret: "s3cret", roles: ["user", "labeler"], used: null});
      await page.goto(`${fake.url}/join/s3cret`);
      await page.getByLabel("E-mail address").fill("new@example.org");
      await page.getByLabel("Name").fill("Nia");
      await page.getByLabel("New password").fill("short");
      await page.getByRole("button", {name: "Join"}).click();
      await page.getByText("A password has at least 10 characters.").waitFor();
      await page.getByLabel("New password").fill("a long password");
      await page.getByRole("button", {name: "Join"}).click();
      await page.getByText("Signed in as Nia").waitFor();
      await page.getByRole("link", {name: "Settings"}).click();
      await page.getByLabel("Old password").fill("a long password");
      await page.getByLabel("New password").fill("another long one");
      await page.getByRole("button", {name: "Change"}).click();
      await page.getByText("The password is changed").waitFor();
    });
  },
  async "settings: language, theme, privacy"(browser) {
    await withPage(browser, {}, async (page, fake) => {
      await page.getByRole("link", {name: "Settings"}).click();
      await page.getByLabel("Theme").selectOption("dark");
      await until(() => page.evaluate(() => document.documentElement.dataset.theme === "dark"), "the dark theme");
      await page.getByLabel("My conversations and feedback may train").check();
      await page.getByLabel("Language").selectOption("zh");
      await page.getByRole("heading", {name: "设置"}).waitFor();
      check(await page.evaluate(() => document.documentElement.lang) === "zh-CN", "the document's language");
      const {settings} = fake.world.people.get("local");
      check(settings.language === "zh" && settings.theme === "dark" && settings.may_train && settings.asked, "settings are stored");
      await page.reload();
      await page.getByRole("heading", {name: "设置"}).waitFor();
    });
    await withPage(browser, {}, async page => {
      await page.getByRole("heading", {name: "有什么可以帮您？"}).waitFor();
    }, {locale: "zh-CN"});
  },
  async "the blind comparison"(browser) {
    await withPage(browser, {}, async (page, fake) => {
      await page.getByRole("link", {name: "Compare blind"}).click();
      await page.getByRole("textbox", {name: "Your question"}).fill("Who are you?");
      await page.getByRole("button", {name: "Ask both"}).click();
      const left = page.getByRole("button", {name: "Left is better"});
      await until(() => left.isEnabled(), "both answers");
      check(!/base|sft|ppo/.test(await page.locator(".blind .two").innerText()), "no names before the vote");
      await left.click();
      await page.getByText(/Left was \w+, right was \w+\./).waitFor();
      check([...fake.world.blind.values()][0].choice === "left", "the vote is stored");
      await page.locator("table.scores").waitFor();
    });
    await withPage(browser, {models: ["only"]}, async (page, fake) => {
      await page.goto(`${fake.url}/blind`);
      await page.getByText("A comparison needs two models.").waitFor();
    });
  },
  async "the recipe's page"(browser) {
    await withPage(browser, {recipe: "running"}, async (page, fake) => {
      await page.getByRole("link", {name: /The recipe/}).click();
      await page.getByText("PPO, 72 % of the whole").waitFor();
      check(await page.getByRole("progressbar", {name: "Progress of the whole recipe"}).getAttribute("aria-valuenow") === "72", "the whole's progress");
      check(await page.locator(".chart").count() >= 5, "curves");
      const chart = page.locator(".chart svg").first();
      await chart.scrollIntoViewIfNeeded();
      await chart.hover();
      await page.getByText(/at step/).waitFor();
      await page.getByRole("button", {name: "Who runs the bakery?"}).click();
      await until(async () => (await page.getByText(/I am (base|sft|ppo)\. The ferry leaves at nine\./).count()) === 3, "an answer of each stage");
      check(await page.getByText("not made yet").count() === 1, "the stage that is not made yet");
      fake.world.recipe = "done";
      await page.getByRole("link", {name: "Report"}).waitFor();
    });
  },
};
