// The reviewer's side in a real browser: projects, prompts, labels and their history, agreement, adjudication, gold questions,
// export, data sets and training.
import assert from "node:assert/strict";
import {checkAxe, collect, until, withPage} from "./studio-harness.mjs";

export const {tests, describe, it} = collect();

describe("the studio's views", () => {
  it("axe finds nothing serious on a phone in Chinese", () => withPage({context: {viewport: {width: 390, height: 844}, locale: "zh-CN"}}, async (page, _, fake) => {
    for (const path of ["/studio", "/studio/data", ...["work", "agreement", "disagreements", "labels/label-10"].map(tab => `/studio/rank-town/${tab}`)]) {
      await page.goto(fake.url + path);
      await page.locator("main h1").waitFor();
      await checkAxe(page, path);
      const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      assert.ok(over <= 0, `${path} is ${over}px too wide`);
    }
  }));

  it("a project is made, filled, changed and closed", () => withPage({path: "/studio/new"}, async (page, world) => {
    await page.getByRole("button", {name: "Make the project"}).click();
    await page.getByText("Please fill this in.").first().waitFor();
    await page.getByText("Choose at least one model.").waitFor();
    await page.getByLabel("Name", {exact: true}).fill("x".repeat(120));
    await page.getByRole("checkbox", {name: "ppo"}).check();
    await page.getByLabel("Answers to each prompt").fill("12");
    await page.getByRole("button", {name: "Make the project"}).click();
    await page.getByText("A number from 4 to 9.").waitFor();
    await page.getByLabel("Answers to each prompt").fill("5");
    await page.getByRole("button", {name: "Make the project"}).click();
    await page.getByText("A name has at most 100 characters.").first().waitFor(); // the server's word stands at its field
    await page.getByLabel("Name", {exact: true}).fill("Ferry questions");
    await page.getByRole("button", {name: "Make the project"}).click();
    await page.getByLabel("Prompts", {exact: true}).fill('{"messages": [{"role": "user", "content": "When?"}]}\n{oops\n{"messages": [{"role": "user", "content": "When?"}]}\n{"messages": []}');
    await page.getByText("1 line cannot be read (first: line 2)").waitFor();
    await page.getByRole("button", {name: "Add 3 prompts"}).click();
    await page.getByText("1 prompt added").waitFor();
    await page.getByText("1 was here already.").waitFor();
    await page.getByRole("cell", {name: /This is not JSON/}).waitFor();
    await page.getByRole("cell", {name: "The last message must be the user's."}).waitFor();
    const project = [...world.projects.values()].at(-1);
    assert.deepEqual([project.name, project.k, project.models, project.items.length], ["Ferry questions", 5, ["ppo"], 1]);
    await page.getByRole("link", {name: "Settings"}).last().click();
    await page.getByLabel("Guidelines").fill("# Be kind");
    await page.getByRole("button", {name: "Preview"}).click();
    await page.locator(".st-preview").getByRole("heading", {name: "Be kind"}).waitFor();
    await page.getByRole("button", {name: "Save"}).click();
    await until(() => project.guidelines === "# Be kind", "the guidelines");
    await page.getByRole("link", {name: "Overview"}).click();
    await page.getByRole("button", {name: "Close the project"}).click();
    await page.getByRole("dialog").getByRole("button", {name: "Close the project"}).click();
    await until(() => project.closed, "the project closed");
  }));

  it("prompts come from a text file too", () => withPage({path: "/studio/demo-town/prompts"}, async (page, world) => {
    await page.locator("input[type=file]").setInputFiles({name: "p.txt", mimeType: "text/plain", buffer: Buffer.from("一\n二\n\n三\n")});
    await page.getByRole("button", {name: "Add 3 prompts"}).click();
    await page.getByText("3 prompts added").waitFor();
    assert.equal(world.projects.get("demo-town").items.at(-1).messages[0].content, "三");
  }));

  it("labels are filtered by person, read, and corrected with a reason", () => withPage({path: "/studio/rank-town/labels"}, async (page, world) => {
    await page.getByLabel("Labels of").selectOption({label: "李雷"});
    await until(async () => (await page.locator("tbody tr").count()) === 2, "two labels");
    await page.locator("tbody a").first().click();
    await page.getByText("It has not been corrected.").waitFor();
    await page.getByRole("button", {name: "Correct it"}).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("combobox", {name: "Rank of answer C"}).selectOption("1");
    await dialog.getByLabel("Why is it corrected?").fill("misread");
    await checkAxe(page, "correcting");
    await dialog.getByRole("button", {name: "Save the correction"}).click();
    await page.getByText(/: misread/).waitFor();
    const label = world.labels.find(l => l.history.length > 0);
    assert.equal(label.history[0].label.ranks[`${label.item}-2`] !== label.label.ranks[`${label.item}-2`], true);
  }));

  it("agreement refreshes by itself", () => withPage({path: "/studio/rank-town/agreement"}, async (page, world) => {
    await page.getByText("54 pairs").waitFor();
    world.labels.push({...world.labels[0], id: "more"});
    await page.getByText("55 pairs").waitFor({timeout: 15000});
    await page.getByRole("img", {name: /76.4 %, between 71.2 % and 81.1 %/}).waitFor();
  }));

  it("a disagreement is decided, starting from one person's order", () => withPage({path: "/studio/rank-town/disagreements"}, async (page, world) => {
    const item = page.getByRole("article").filter({hasText: "When does the ferry leave"}).first();
    await item.getByRole("button", {name: "Decide"}).click();
    await item.getByRole("button", {name: "Ann's"}).click();
    await item.getByRole("combobox", {name: "Rank of answer D"}).selectOption("1");
    await checkAxe(page, "deciding");
    await item.getByRole("button", {name: "This is the order"}).click();
    const decided = await until(() => world.labels.find(l => l.adjudicated), "the decision");
    assert.equal(decided.label.ranks["item-r0-3"], 1);
    await page.getByText("When does the ferry leave").waitFor({state: "detached"});
  }));

  it("a gold question holds indexes, best first, ties together", () => withPage({path: "/studio/rank-town/gold"}, async (page, world) => {
    await page.getByLabel("Prompt", {exact: true}).fill("Which is right?");
    for (const letter of "ABCD") await page.getByLabel(`Answer ${letter}`, {exact: true}).fill(`answer ${letter}`);
    for (const [letter, rank] of [["A", "2"], ["B", "3"], ["C", "1"], ["D", "2"]]) await page.getByRole("combobox", {name: `Rank of answer ${letter}`}).selectOption(rank);
    await checkAxe(page, "gold");
    await page.getByRole("button", {name: "Add the gold question"}).click();
    await page.getByText("The gold question is added.").waitFor();
    const item = world.projects.get("rank-town").items.at(-1);
    assert.deepEqual(item.gold, {ranking: [[2], [0, 3], [1]], answers: ["answer A", "answer B", "answer C", "answer D"]});
  }));

  it("labels are exported in the shape that was chosen", () => withPage({path: "/studio/rank-town"}, async page => {
    await page.getByLabel("Export the labels").getByRole("combobox").selectOption("pairs");
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", {name: "Download JSONL"}).click()]);
    assert.equal(download.suggestedFilename(), "rank-town-pairs.jsonl");
  }));

  it("a data set is made, trained on, and the next model compares with the last", () => withPage({path: "/studio/data", pace: 4}, async (page, world) => {
    await page.getByLabel("Name", {exact: true}).fill("Second round");
    await page.getByRole("checkbox", {name: /Answers about the town/}).check();
    await page.getByRole("button", {name: "Make a data set"}).click();
    await page.getByText("From 6 labels and 3 conversations of 3 people").waitFor();
    await page.getByRole("button", {name: "Train on these: Second round"}).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Start from").selectOption("ppo");
    await dialog.getByLabel("Name of the next model").fill("round-2");
    await checkAxe(page, "training");
    await dialog.getByRole("button", {name: "Train", exact: true}).click();
    await page.getByRole("progressbar", {name: /round-2/}).waitFor();
    await page.getByText("round-2 beats ppo on 58.0 % of the prompts on which they differ.").waitFor({timeout: 15000}); // told by the stream
    assert.ok([...world.jobs.values()].some(j => j.name === "round-2" && j.state === "done"));
  }));

  it("a training is stopped", () => withPage({path: "/studio/data", pace: 1000}, async (page, world) => {
    world.jobs.set("j", {id: "j", name: "long", state: "running", step: "ppo", fraction: 0.3, message: "", model: "long", compared_with: "ppo", wins: null});
    await page.reload();
    await page.getByRole("button", {name: "Stop: long"}).click();
    await page.getByText("Stopped by a person.").waitFor();
  }));

  it("a labeler sees work, and nothing of the reviewers'", () => withPage({as: "li@example.org"}, async (page, world, fake) => {
    await page.getByRole("link", {name: /Start work: Answers about/}).waitFor();
    assert.equal(await page.getByRole("link", {name: /New project|Open:|Data and training/}).count(), 0);
    await page.goto(`${fake.url}/studio/rank-town/labels`);
    await page.getByText("There is nothing here").waitFor();
    assert.equal(world.requests.some(r => r.includes("/api/") && r.includes("/labels")), false);
  }));

  it("what cannot be loaded is said, and tried again", () => withPage({}, async (page, world) => {
    await page.getByText("Answers about the town").waitFor();
    world.breakNext.push(...Array.from({length: 20}, () => ({method: "GET", path: "/agreement"})));
    await page.getByRole("link", {name: "Open: Answers about the town"}).click();
    await page.getByRole("link", {name: "Agreement", exact: true}).click();
    await page.getByRole("button", {name: "Try again"}).waitFor();
    world.breakNext.length = 0;
    await page.getByRole("button", {name: "Try again"}).click();
    await page.getByText("76.4 %").first().waitFor();
  }));
});
