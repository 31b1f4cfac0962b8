// The loop closes, in local mode: one person, without any account, chats, ranks 20 prompts in the studio, presses "Train on
// these", sees the next model beside the last one, and talks to it. On the models of a run at the smallest scale, which only babble.
import {readdirSync} from "node:fs";
import path from "node:path";
import {LONG, check, replies, say, steps, until} from "./world.mjs";

const PROMPTS = 20; // ranked by the person

// By the keyboard alone: each answer gets a score and a rank of its own.
async function rankOne(page) {
  const cards = await page.locator(".st-answer").count();
  for (let i = 0; i < cards; ++i) {
    await page.locator(".st-answer").nth(i).focus();
    await page.keyboard.press(`Shift+Digit${7 - i}`);
    await page.keyboard.press(`Digit${i + 1}`);
  }
  await page.keyboard.press("Control+Enter");
}

export async function loop(world) {
  const server = await world.serve();
  const person = await world.person(server, "Local");
  const {page} = person;
  let project = "";

  await steps("loop", [
    ["without an account: the recipe's page, and a chat that is kept", async () => {
      await person.go("/");
      await page.getByRole("button", {name: "Save my choice"}).click(); // what may be done with one's chats
      check(await page.getByText("Signed in as").count() === 0, "nobody signs in");
      await page.getByRole("link", {name: "The recipe"}).click();
      await page.locator(".chart").first().waitFor();
      await person.go("/");
      await say(page, "When does the ferry leave?");
      await page.reload();
      await page.getByText("When does the ferry leave?").first().waitFor(); // it is kept at the server
      const {conversations} = await person.get("/conversations");
      check(conversations.length === 1, `one conversation is kept, not ${conversations.length}`);
      const whole = await person.get(`/conversations/${conversations[0].id}`);
      check(whole.messages.length === 2 && ["done", "cut"].includes(whole.messages[1].state), `a question and its whole reply: ${JSON.stringify(whole.messages.map(m => m.state))}`);
      check(whole.messages[1].usage?.completion_tokens > 0, "the reply's tokens are counted");
    }],
    [`${PROMPTS} prompts are ranked`, async () => {
      await person.go("/studio/new");
      await page.getByLabel("Name", {exact: true}).fill("Town answers");
      for (const model of ["sft", "ppo"]) await page.getByRole("checkbox", {name: model, exact: true}).check();
      await page.getByLabel("Answers to each prompt").fill("4");
      await page.getByLabel("Temperature").fill("2"); // so small a model says the same again
      await page.getByLabel("Longest answer").fill("24");
      await page.getByRole("button", {name: "Make the project"}).click();
      await page.getByLabel("Prompts", {exact: true}).fill(Array.from({length: PROMPTS}, (_, i) => `Question ${i + 1}: where is the bakery?`).join("\n"));
      await page.getByRole("button", {name: `Add ${PROMPTS} prompts`}).click();
      await page.getByText(`${PROMPTS} prompts added`).waitFor();
      project = (await person.get("/projects")).projects[0].id;
      await person.go(`/studio/${project}/work`);
      for (let task = 0; task < PROMPTS; ++task) {
        await page.getByText(`Question ${task + 1}: where is the bakery?`).waitFor(); // the next one comes by itself
        await page.getByRole("heading", {name: "Answer A"}).waitFor();
        await rankOne(page);
      }
      await page.getByRole("heading", {name: "Nothing left for you here"}).waitFor();
      const {labels} = await person.get(`/projects/${project}/labels`);
      check(labels.length === PROMPTS && labels.every(l => Object.keys(l.label.ranks).length >= 2), `${PROMPTS} labels of 4 answers, or fewer where the models said the same: ${labels.map(l => Object.keys(l.label.ranks).length)}`);
    }],
    ["train on these, and compare with the last", async () => {
      await person.go("/studio/data");
      await page.getByLabel("Name", {exact: true}).fill("First round");
      await page.getByRole("checkbox", {name: /Town answers/}).check();
      await page.getByRole("button", {name: "Make a data set"}).click();
      await page.getByRole("button", {name: "Train on these: First round"}).click();
      const dialog = page.getByRole("dialog");
      await dialog.getByLabel("Start from").selectOption("ppo");
      check((await dialog.getByLabel("Name of the next model").inputValue()) === "first-round", "the data set's name is offered as the model's");
      await dialog.getByRole("button", {name: "Train", exact: true}).click();
      await page.getByText(/first-round (beats ppo on|and ppo are as good)/).waitFor({timeout: 2 * LONG});
      await page.getByText(/Answers side by side/).click();
      await page.getByText("Question 1: where is the bakery?").first().waitFor();
      check(readdirSync(path.join(server.folder, "models")).includes("first-round"), "the model's folder is there");
    }],
    ["the next model is talked to", async () => {
      await person.go("/");
      await page.getByRole("button", {name: /Choose a model/}).click();
      await page.getByRole("menuitemradio", {name: /^first-round/}).click();
      await say(page, "Who are you now?");
      await replies(page).getByText("first-round").waitFor();
      await until(async () => (await person.get("/models")).models.some(m => m.id === "first-round" && m.loaded), "the next model is loaded", LONG);
    }],
  ]);
}
