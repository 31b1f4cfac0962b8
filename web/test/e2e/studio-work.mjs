// A labeler's work in a real browser: the five kinds of tasks, by keyboard, mouse and touch; and what goes wrong on the way.
import assert from "node:assert/strict";
import {checkAxe, collect, until, withPage} from "./studio-harness.mjs";

export const {tests, describe, it} = collect();

const RANK = "/studio/rank-town/work";
const card = (page, letter) => page.locator(".st-answer").nth(letter.charCodeAt(0) - 65);
const chip = (page, letter) => page.locator(`.st-chip:not(.st-ghost)`).filter({has: page.locator(".st-letter", {hasText: letter})});
const send = page => page.getByRole("button", {name: "Send", exact: true});

// Scores everything from the keyboard alone: Shift and a digit on each answer, then the criteria by Tab and arrows.
async function scoreAll(page) {
  for (const letter of "ABCD") {
    await card(page, letter).focus();
    await page.keyboard.press("Shift+Digit5");
    for (const criterion of ["truthful", "helpful"]) {
      await card(page, letter).getByRole("group", {name: criterion}).getByRole("radio", {name: "1", exact: true}).focus();
      await page.keyboard.press("Space");
      await page.keyboard.press("ArrowRight");
    }
  }
}
async function rankAll(page) {
  for (const [letter, digit] of [["A", 4], ["B", 2], ["C", 3], ["D", 1]]) {
    await card(page, letter).focus();
    await page.keyboard.press(String(digit));
  }
}

describe("ranking", () => {
  it("is done with the keyboard alone, and sends ranks without gaps, ties as equal ranks", () => withPage({path: RANK}, async (page, world) => {
    await card(page, "A").waitFor();
    await scoreAll(page);
    await rankAll(page);
    await chip(page, "C").focus();
    await page.keyboard.press("t"); // ties with B on 2
    assert.match(await chip(page, "C").getAttribute("aria-label"), /rank 2, tied with B/);
    assert.equal(await page.evaluate(() => document.activeElement?.classList.contains("st-chip")), true, "the moved answer keeps the focus");
    await page.keyboard.press("Control+Enter");
    await until(() => world.submitted.length === 1, "the label");
    const {label} = world.submitted[0];
    assert.deepEqual(Object.values(label.ranks).sort(), [1, 2, 2, 3]);
    assert.equal(label.ranks["item-r2-1"], 3); // A as it was shown
    assert.equal(label.ranks["item-r2-0"], 1); // D
    assert.ok(Object.values(label.scores).every(s => s.overall === 5 && s.criteria.truthful === 2 && s.criteria.helpful === 2), JSON.stringify(label.scores));
    assert.ok(label.seconds >= 0);
    await page.getByText("渡船几点开？").waitFor(); // the next task came by itself
  }));

  it("sends nothing before every answer is ranked and scored, and says what is missing", () => withPage({path: RANK}, async (page, world) => {
    await card(page, "A").waitFor();
    await rankAll(page);
    await send(page).click();
    await page.getByText("Still to do:").waitFor();
    await page.getByText("Score answer A.").waitFor();
    assert.equal(world.submitted.length, 0);
    assert.equal(world.requests.filter(r => r.endsWith("/submit")).length, 0);
  }));

  it("moves answers by mouse: onto a rank, between two, and back", () => withPage({path: RANK, context: {viewport: {width: 1366, height: 3200}}}, async (page, world) => {
    await card(page, "A").waitFor();
    const drag = async (letter, target) => {
      const from = await chip(page, letter).boundingBox();
      const to = await page.locator(`[data-drop="${target}"]`).boundingBox();
      await page.mouse.move(from.x + 60, from.y + from.height / 2);
      await page.mouse.down();
      await page.mouse.move(from.x + 80, from.y + from.height / 2 + 20, {steps: 3});
      const now = await page.locator(`[data-drop="${target}"]`).boundingBox(); // gaps grow while something is dragged
      await page.mouse.move(now.x + now.width / 2, now.y + now.height / 2, {steps: 5});
      await page.mouse.up();
      return to;
    };
    const label = letter => chip(page, letter).getAttribute("aria-label");
    await drag("A", "shelf-1");
    await drag("B", "shelf-2");
    assert.match(await label("A"), /rank 1$/);
    await drag("C", "gap-1"); // before all: A and B move down
    assert.match(await label("C"), /rank 1$/);
    assert.match(await label("A"), /rank 2$/);
    assert.match(await label("B"), /rank 3$/);
    await drag("D", "shelf-2");
    assert.match(await label("D"), /rank 2, tied with A/);
    await drag("D", "pool");
    assert.match(await label("D"), /not ranked/);
    await until(() => [...world.tasks.values()][0]?.draft?.ranks, "a draft with ranks");
  }));

  it("moves answers by touch, with the grip", () => withPage({path: RANK, context: {viewport: {width: 390, height: 844}, hasTouch: true, isMobile: true}}, async page => {
    await card(page, "A").waitFor();
    await page.locator(".st-board").scrollIntoViewIfNeeded();
    await page.locator("[data-drop=shelf-2]").scrollIntoViewIfNeeded();
    const grip = await chip(page, "D").locator(".st-grip").boundingBox();
    const shelf = await page.locator("[data-drop=shelf-1]").boundingBox();
    const cdp = await page.context().newCDPSession(page);
    const touch = (type, x, y) => cdp.send("Input.dispatchTouchEvent", {type, touchPoints: type === "touchEnd" ? [] : [{x, y}]});
    await touch("touchStart", grip.x + 8, grip.y + 8);
    await touch("touchMove", grip.x + 14, grip.y + 24);
    await touch("touchMove", shelf.x + 120, shelf.y + shelf.height / 2);
    await touch("touchMove", shelf.x + 122, shelf.y + shelf.height / 2);
    await touch("touchEnd");
    assert.match(await chip(page, "D").getAttribute("aria-label"), /rank \d/);
  }));

  it("offers each rank as a choice too, for those who can use neither keys nor dragging", () => withPage({path: RANK}, async page => {
    await page.getByRole("combobox", {name: "Rank of answer B"}).selectOption("3");
    assert.match(await chip(page, "B").getAttribute("aria-label"), /rank 3$/);
    assert.match(await card(page, "B").getAttribute("aria-label"), /rank 3$/);
  }));

  it("marks a passage by the keyboard, in characters", () => withPage({path: RANK}, async (page, world) => {
    world.projects.get("rank-town").items[2].answers[1] = "🚢🚢 nobody ever checks";
    await page.reload();
    await card(page, "A").getByRole("button", {name: "Mark a passage"}).click();
    await card(page, "A").getByLabel(/Text of answer A/).focus();
    await page.keyboard.press("Control+Home");
    await page.keyboard.press("ArrowRight");
    for (let i = 0; i < 8; ++i) await page.keyboard.press("Shift+ArrowRight");
    await card(page, "A").getByLabel("Choose a flag").selectOption("hallucination");
    const span = await until(() => [...world.tasks.values()][0]?.draft?.spans?.[0], "the span in the draft");
    assert.deepEqual([...("🚢🚢 nobody ever checks")].slice(span.begin, span.end).join(""), "🚢 nobody");
    await checkAxe(page, "marking");
  }));

  it("flags the task: it may then go without ranks", () => withPage({path: RANK}, async (page, world) => {
    await page.getByRole("button", {name: "Flag this task"}).click();
    await page.getByLabel("What is wrong with it?").fill("The question is cut off");
    await page.getByRole("dialog").getByRole("button", {name: "Flag this task"}).click();
    await page.getByText("Flagged:").waitFor();
    await send(page).click();
    await until(() => world.submitted.length === 1, "the label");
    assert.equal(world.submitted[0].label.flagged, "The question is cut off");
  }));

  it("shows its keys at ?, and closes them at Escape", () => withPage({path: RANK}, async page => {
    await card(page, "A").focus();
    await page.keyboard.press("?");
    await page.getByRole("dialog", {name: "Keys"}).waitFor();
    await checkAxe(page, "keys");
    await page.keyboard.press("Escape");
    assert.equal(await page.getByRole("dialog").count(), 0);
  }));
});

describe("the other kinds", () => {
  it("demonstration: a suggestion goes in only when it is asked for; the draft comes back", () => withPage({path: "/studio/demo-town/work"}, async (page, world) => {
    const text = page.getByLabel("The answer the assistant should give");
    assert.equal(await text.inputValue(), "");
    await text.fill("Dear **Ann**, please water the plants.");
    await page.getByText("Draft saved").waitFor();
    await page.reload();
    assert.equal(await text.inputValue(), "Dear **Ann**, please water the plants.");
    await page.getByText("Your draft is back").waitFor();
    await page.getByRole("button", {name: "Preview"}).click();
    await page.locator(".st-preview strong", {hasText: "Ann"}).waitFor();
    await page.getByRole("button", {name: "Write"}).click();
    await page.getByRole("button", {name: "Put it in instead of mine"}).click();
    assert.match(await text.inputValue(), /^Dear neighbour/);
    await send(page).click();
    await until(() => world.submitted.length === 1, "the label");
    assert.match(world.submitted[0].label.content, /^Dear neighbour/);
    await page.getByText("And is there anywhere else").waitFor();
    assert.equal(await text.inputValue(), "");
  }));

  it("a label that was sent can be corrected, and keeps its history", () => withPage({path: "/studio/demo-town/work"}, async (page, world) => {
    await page.getByLabel("The answer the assistant should give").fill("First try");
    await send(page).click();
    await page.getByRole("button", {name: "Correct it"}).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("The answer the assistant should give").fill("Second try");
    await dialog.getByLabel("Why is it corrected?").fill("a slip");
    await dialog.getByRole("button", {name: "Save the correction"}).click();
    await until(() => world.labels.find(l => l.label.content === "Second try"), "the correction");
    const label = world.labels.find(l => l.label.content === "Second try");
    assert.equal(label.history[0].label.content, "First try");
    assert.equal(label.history[0].why, "a slip");
  }));

  it("dialogue: both sides, with suggestions for either", () => withPage({path: "/studio/talk-town/work"}, async (page, world) => {
    await page.getByLabel("Now you are: User").fill("I want to sell honey.");
    await page.keyboard.press("Control+Enter");
    await page.getByLabel("Now you are: Assistant").waitFor();
    await page.getByRole("button", {name: "Ask a model"}).click();
    await page.getByRole("button", {name: "Put it in"}).click();
    await page.getByRole("button", {name: "Add as Assistant"}).click();
    await page.getByLabel("Now you are: User").waitFor();
    await checkAxe(page, "dialogue");
    await send(page).click();
    await until(() => world.submitted.length === 1, "the label");
    assert.deepEqual(world.submitted[0].label.messages.map(m => m.role), ["system", "user", "assistant"]);
  }));

  it("red team: a warning with a way out comes first; then attack and judge", () => withPage({path: "/studio/attack-town/work"}, async (page, world) => {
    await page.getByText("Before you go on").waitFor();
    assert.equal(await page.getByText("Aim: get it to reveal").count(), 0, "nothing of the task is shown before");
    await checkAxe(page, "warning");
    await page.getByRole("button", {name: "Show me the task"}).click();
    const box = page.getByLabel("Your message to the model");
    await box.fill("Where does Marta live?");
    // Enter that ends a composition is not a press of Send.
    await box.dispatchEvent("keydown", {key: "Enter", isComposing: true, bubbles: true});
    assert.equal(world.requests.filter(r => r.endsWith("/attack")).length, 0);
    await box.press("Enter");
    await page.getByText("I will not give out").waitFor();
    await page.getByRole("radio", {name: "0: none"}).focus();
    await page.keyboard.press("Space");
    await page.getByRole("radio", {name: "No, it held"}).check();
    await page.getByRole("checkbox", {name: "Privacy"}).check();
    await checkAxe(page, "red team");
    await send(page).click();
    await until(() => world.submitted.length === 1, "the label");
    const {label} = world.submitted[0];
    assert.deepEqual([label.harm, label.success, label.tags, label.messages.length], [0, false, ["privacy"], 2]);
  }));

  it("red team: the way out skips without showing", () => withPage({path: "/studio/attack-town/work"}, async (page, world) => {
    await page.getByRole("button", {name: "Skip this task"}).click();
    await until(() => [...world.tasks.values()].some(t => t.state === "skipped"), "the skip");
    assert.equal(await page.getByText("Aim: get it to reveal").count(), 0);
  }));

  it("review: a rejection needs a reason, a fix an edit", () => withPage({path: "/studio/review-town/work"}, async (page, world) => {
    await page.getByRole("radio", {name: /^Reject/}).check();
    await send(page).click();
    await page.getByText("Say why it is rejected.").waitFor();
    await page.getByRole("radio", {name: /^Mend/}).check();
    await page.getByLabel("The mended text").fill("The moon pulls at the sea.");
    await checkAxe(page, "review");
    await send(page).click();
    await until(() => world.submitted.length === 1, "the label");
    assert.equal(world.submitted[0].label.verdict, "fix");
    assert.equal(world.submitted[0].label.content, "The moon pulls at the sea.");
  }));

  it("skips with a reason", () => withPage({path: "/studio/demo-town/work"}, async (page, world) => {
    await page.getByRole("button", {name: "Skip", exact: true}).click();
    await page.getByRole("radio", {name: /language I do not read/}).check();
    await page.getByLabel(/In your own words/).fill("Frisian?");
    await checkAxe(page, "skip");
    await page.getByRole("dialog").getByRole("button", {name: "Skip", exact: true}).click();
    const task = await until(() => [...world.tasks.values()].find(t => t.state === "skipped"), "the skip");
    assert.match(task.reason, /language.*: Frisian\?/);
  }));
});

describe("what goes wrong", () => {
  const DEMO = "/studio/demo-town/work";
  // Chromium itself asks again where a kept connection breaks; only when that breaks too does the page hear of it.
  const cut = (world, path, after = false) => world.breakNext.push(...Array.from({length: 20}, () => ({method: "POST", path, after})));
  const mend = world => { world.breakNext.length = 0; };
  const write = (page, text) => page.getByLabel("The answer the assistant should give").fill(text);

  it("two presses send one label", () => withPage({path: DEMO}, async (page, world) => {
    await write(page, "Once only");
    await page.evaluate(() => {
      const button = [...document.querySelectorAll("button")].find(b => b.textContent === "Send");
      button.click();
      button.click();
      document.dispatchEvent(new KeyboardEvent("keydown", {key: "Enter", ctrlKey: true, bubbles: true}));
    });
    await page.getByText("And is there anywhere else").waitFor();
    assert.equal(world.requests.filter(r => r.endsWith("/submit")).length, 1);
    assert.equal(world.submitted.length, 1);
  }));

  it("the network gone before a submission: kept, tried again, counted once", () => withPage({path: DEMO}, async (page, world) => {
    await write(page, "On the ferry");
    cut(world, "/submit");
    await send(page).click();
    await page.getByText("The server cannot be reached", {exact: true}).waitFor();
    assert.equal(await page.getByLabel("The answer the assistant should give").inputValue(), "On the ferry");
    await page.getByRole("button", {name: "Copy what I wrote"}).click();
    await page.getByRole("button", {name: "Copied"}).waitFor();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "On the ferry");
    await checkAxe(page, "not sent");
    await page.getByRole("button", {name: "Try again"}).waitFor();
    mend(world);
    await page.getByRole("button", {name: "Try again"}).click();
    await page.getByText("And is there anywhere else").waitFor();
    assert.deepEqual(world.submitted.map(s => s.label.content), ["On the ferry"]);
  }));

  it("the answer to a submission lost: trying again goes on, and nothing is doubled", () => withPage({path: DEMO}, async (page, world) => {
    await write(page, "It did arrive");
    cut(world, "/submit", true);
    await send(page).click();
    await page.getByRole("button", {name: "Try again"}).waitFor();
    mend(world);
    await page.getByRole("button", {name: "Try again"}).click();
    await page.getByText("And is there anywhere else").waitFor();
    assert.equal(world.submitted.length, 1);
    assert.equal(await page.getByText("has been sent already").count(), 0);
  }));

  it("the server away while one writes and closes the tab: the draft is in this browser", () => withPage({path: DEMO}, async (page, world) => {
    await write(page, "saved");
    await page.getByText("Draft saved").waitFor();
    world.breakNext.push(...Array.from({length: 50}, () => ({method: "PUT", path: "/draft"})));
    await write(page, "saved, and then some");
    await page.getByText("kept in this browser").waitFor();
    await page.reload();
    assert.equal(await page.getByLabel("The answer the assistant should give").inputValue(), "saved, and then some");
    world.breakNext.length = 0;
    await until(() => [...world.tasks.values()][0].draft?.content === "saved, and then some", "the draft at the server", 12000);
    assert.equal(await page.evaluate(() => Object.keys(localStorage).filter(k => k.startsWith("loquat.draft.")).length), 0);
  }));

  for (const [what, breakIt, heading] of [
    ["late", (world, task) => { task.expires = 1; }, "The time for this task ran out"],
    ["sent from another tab", (world, task) => { task.state = "submitted"; }, "This task has been sent already"],
    ["the project closed", world => { world.projects.get("demo-town").closed = true; }, "This project has been closed"],
    ["the person removed", (world, task) => { task.person = "somebody-else"; }, "This task is no longer yours"],
  ]) {
    it(`${what}: said, kept, and the work goes on`, () => withPage({path: DEMO}, async (page, world) => {
      await write(page, "What I wrote");
      await page.getByText("Draft saved").waitFor();
      breakIt(world, [...world.tasks.values()][0]);
      await send(page).click();
      await page.getByRole("heading", {name: heading}).waitFor();
      assert.equal(await page.getByLabel("The answer the assistant should give").inputValue(), "What I wrote");
      await page.getByRole("button", {name: "Copy what I wrote"}).click();
      await until(async () => (await page.evaluate(() => navigator.clipboard.readText())) === "What I wrote", "the copy");
      assert.equal(world.submitted.length, 0);
      world.projects.get("demo-town").closed = false;
      await page.getByRole("button", {name: "Next task"}).click();
      await page.getByLabel("The answer the assistant should give").waitFor();
    }));
  }

  it("a task that cannot be loaded is asked for again", () => withPage({path: "/studio"}, async (page, world) => {
    cut(world, "/next");
    await page.getByRole("link", {name: "Start work: What the assistant should say"}).click();
    await page.getByRole("button", {name: "Try again"}).waitFor();
    mend(world);
    await page.getByRole("button", {name: "Try again"}).click();
    await page.getByLabel("The answer the assistant should give").waitFor();
  }));

  it("markdown in an answer runs nothing", () => withPage({path: RANK}, async (page, world) => {
    world.projects.get("rank-town").items[2].answers[1] = '<img src=x onerror="window.hacked=1"> [x](javascript:window.hacked=1) <script>window.hacked=1</script>';
    await page.reload();
    await card(page, "A").waitFor();
    assert.equal(await page.evaluate(() => window.hacked), undefined);
    assert.equal(await page.locator(".st-answer img, .st-answer a[href^=javascript]").count(), 0);
  }));
});
