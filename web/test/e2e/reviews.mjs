// Reviewing people's chats, gold questions and prefilled suggestions in a real browser.
import assert from "node:assert/strict";
import {checkAxe, collect, until, withPage} from "./studio-harness.mjs";

export const {tests, describe, it} = collect();

const empty = {reasoning: "", tool_calls: [], files: [], model: "", model_hash: "", sampling: {}, state: "done", error: "", usage: null, seconds: null, feedback: null, created: 1_790_000_000};
function talk(world, owner, id, turns, feedback = null) {
  const messages = turns.map((content, i) => ({...empty, id: `${id}-${i}`, parent: i ? `${id}-${i - 1}` : null, role: i % 2 ? "assistant" : "user", content, model: i % 2 ? "ppo" : ""}));
  if (feedback) messages[1].feedback = feedback;
  world.conversations.set(id, {id, owner, title: turns[0].slice(0, 40), pinned: false, system: "", model: "ppo", sampling: {}, current: `${id}-${turns.length - 1}`, created: 1_790_000_000, updated: 1_790_000_000 + world.conversations.size, messages});
}
function seed(world) {
  world.people.get("p-bo").settings = {...world.people.get("p-bo").settings, asked: true, may_review: true, may_train: true};
  talk(world, "p-bo", "ferry", ["When does the ferry leave?", "At **nine**.", "And back?", "At five."]);
  talk(world, "p-bo", "rude", ["Who are you?", "None of your business."], {thumb: "down", flags: ["inappropriate"], comment: "rude", better: "I am an assistant."});
  talk(world, "p-li", "secret", ["A secret of Li", "Kept."]);
}
const RUI = {as: "rui@example.org", path: "/reviews"};

describe("people's chats", () => {
  it("are searched, filtered and read, without names", () => withPage(RUI, async (page, world) => {
    await page.getByText("There is no chat here that you may read.").waitFor();
    seed(world);
    await page.reload();
    await page.getByRole("link", {name: /When does the ferry leave/}).waitFor();
    assert.equal(await page.getByText("A secret of Li").count(), 0);
    await page.getByLabel("Words in chats").fill("nine");
    await page.getByLabel("Words in chats").press("Enter");
    await page.locator("mark", {hasText: "nine"}).waitFor();
    assert.equal(await page.getByRole("link", {name: /Who are you/}).count(), 0);
    await page.getByLabel("Words in chats").fill("");
    await page.getByLabel("Feedback").selectOption("down");
    await page.getByRole("link", {name: /Who are you/}).focus();
    assert.equal(await page.getByRole("link", {name: /ferry/}).count(), 0);
    await page.keyboard.press("Enter");
    await page.getByText("None of your business.").waitFor();
    await page.getByText("That you read this is in the audit log").waitFor();
    await page.getByText("I am an assistant.").waitFor();
    await page.getByText("Thumb down").waitFor();
    const text = await page.locator("main").innerText();
    assert.equal(/\bBo\b|bo@example/.test(text), false);
    assert.ok(world.audit.some(e => e.action === "read_conversation" && e.object === "rude" && e.person === "p-rev"));
    assert.equal(await page.getByRole("button", {name: /Regenerate|Good answer|Edit/}).count(), 0);
  }));

  it("that are no longer allowed are gone at once", () => withPage(RUI, async (page, world, fake) => {
    seed(world);
    await page.goto(`${fake.url}/reviews/ferry`);
    await page.getByText("And back?").waitFor();
    world.people.get("p-bo").settings.may_review = false;
    await page.reload();
    await page.getByRole("heading", {name: "This chat cannot be read"}).waitFor();
  }));

  it("become prompts where training is allowed", () => withPage(RUI, async (page, world, fake) => {
    seed(world);
    await page.goto(`${fake.url}/reviews/ferry`);
    await page.getByRole("button", {name: "Use as a prompt"}).nth(1).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Project").selectOption({label: "What the assistant should say"});
    await checkAxe(page, "use as a prompt");
    await dialog.getByRole("button", {name: "Add the prompt"}).click();
    await page.getByText("The prompt is in the project.").waitFor();
    assert.deepEqual(world.projects.get("demo-town").items.at(-1).messages.map(m => m.content), ["When does the ferry leave?", "At **nine**.", "And back?"]);
    world.people.get("p-bo").settings.may_train = false;
    await page.reload();
    await page.getByText("it cannot become a prompt").waitFor();
    assert.equal(await page.getByRole("button", {name: "Use as a prompt"}).count(), 0);
  }));

  it("tell their person who read them", () => withPage({as: "bo@example.org", path: "/settings"}, async (page, world) => {
    await page.getByText("Nobody has read your chats.").waitFor();
    seed(world);
    const entry = {time: 1_790_000_000, person: "p-rev", name: "Rui", about: "p-bo", detail: {conversations: 2}};
    world.audit.push({...entry, id: "a1", action: "read_conversation", object: "ferry"}, {...entry, id: "a2", action: "list_conversations", object: ""},
      {...entry, id: "a3", action: "read_conversation", object: "deleted"}, {...entry, id: "a4", about: "p-li", action: "read_conversation", object: "secret"});
    await page.reload();
    await page.getByRole("link", {name: "Rui read “When does the ferry leave?”"}).waitFor();
    await page.getByText("Rui saw the titles and hits of 2 of your chats in a list").waitFor();
    await page.getByText("Rui read “a chat that is gone”").waitFor();
    assert.equal(await page.getByText("secret").count(), 0);
    await checkAxe(page, "readings");
  }));

  it("are not for those who are no reviewers", () => withPage({as: "li@example.org", path: "/reviews"}, async (page, world) => {
    await page.getByText("There is nothing here").waitFor();
    assert.equal(await page.getByRole("link", {name: "People's chats"}).count(), 0);
    assert.equal(world.requests.some(r => r.includes("/api/app/reviews")), false);
  }));

  for (const [kind, context] of [["light", {}], ["dark, on a phone, in Chinese", {colorScheme: "dark", viewport: {width: 390, height: 844}, locale: "zh-CN"}]]) {
    it(`axe finds nothing serious: ${kind}`, () => withPage({...RUI, context}, async (page, world, fake) => {
      seed(world);
      for (const path of ["/reviews", "/reviews/rude", "/reviews/none", "/settings"]) {
        await page.goto(fake.url + path);
        await page.locator("main h1").waitFor();
        if (path === "/reviews") await page.locator(".rv-row").first().waitFor();
        await checkAxe(page, path);
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), `${path} is too wide`);
      }
    }));
  }
});

describe("gold questions", () => {
  it("are listed, set right and retired", () => withPage({path: "/studio/rank-town/gold"}, async (page, world) => {
    await page.getByText("There are no gold questions yet.").waitFor();
    const item = world.projects.get("rank-town").items[1];
    item.gold = {ranking: item.answers.map((_, i) => [i]), answers: item.answers};
    await page.reload();
    await page.getByText("75 % right, of 3 answers").waitFor();
    await checkAxe(page, "gold questions");
    await page.getByRole("button", {name: /^Change the order:/}).click();
    await page.getByRole("combobox", {name: "Rank of answer C"}).selectOption("1");
    await page.getByRole("button", {name: "Save the order"}).click();
    await page.getByText("3 answers are scored anew").waitFor();
    assert.equal(item.goldRanks[`${item.id}-2`], 1);
    await page.getByRole("button", {name: /^Retire:/}).click();
    await until(() => item.retired, "retired");
    await page.getByText("retired", {exact: true}).waitFor();
    await page.getByRole("button", {name: /^Hand out again:/}).click();
    await until(() => !item.retired, "handed out again");
  }));
});

describe("a suggestion", () => {
  it("begins the work where the project says so, and is marked", () => withPage({path: "/studio/demo-town/settings"}, async (page, world, fake) => {
    await page.goto(`${fake.url}/studio/demo-town/work`);
    const editor = page.getByLabel("The answer the assistant should give", {exact: true});
    await editor.waitFor();
    assert.equal(await editor.inputValue(), "");
    await page.goto(`${fake.url}/studio/demo-town/settings`);
    await page.getByRole("checkbox", {name: "Begin with the prompt's suggestion"}).check();
    await page.getByRole("button", {name: "Save"}).click();
    await until(() => world.projects.get("demo-town").prefill, "the setting");
    await page.goto(`${fake.url}/studio/demo-town/work`);
    await page.getByText("This text was written by a model.").waitFor();
    assert.match(await editor.inputValue(), /^Dear neighbour/);
    await checkAxe(page, "prefilled");
    await editor.fill("Dear Ana, would you water my plants?");
    await page.getByText("This began as a model's text.").waitFor();
    await page.getByRole("button", {name: "Begin empty"}).click();
    assert.equal(await editor.inputValue(), "");
  }));
});
