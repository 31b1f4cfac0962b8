// Reviewing people's chats: who allows it is read without a name, sees who read, and is gone from the list when it is taken back.
import {LONG, check, say, steps, until} from "./world.mjs";

const rows = page => page.locator(".rv-row");
const title = "Who bakes the bread here?";

export async function reviews(world) {
  const {server, admin, uma, rui, lia} = await world.members({uma: ["user"], rui: ["reviewer"], lia: ["user"]});
  let chat;

  await steps("reviews", [
    ["two people chat, one of them lets nobody read", async () => {
      await lia.api("PATCH", "/settings", {may_review: false});
      for (const [person, text] of [[uma, title], [lia, "This is between us."]]) {
        await person.go("/");
        await say(person.page, text);
      }
      await uma.page.getByRole("button", {name: "Bad answer"}).first().click();
      await until(async () => (await rui.get("/reviews?feedback=down")).conversations.length === 1, "the thumb", LONG);
    }],
    ["a reviewer finds the chat, without a name", async () => {
      const {page} = rui;
      await rui.go("/");
      await page.getByRole("link", {name: "People's chats"}).click();
      await page.getByRole("heading", {name: "People's chats"}).waitFor();
      await rows(page).first().waitFor();
      check(await rows(page).count() === 1, "the chats of those who allow it, and no others");
      check(await rows(page).first().getByText("1 thumb down").count() === 1, "what was said of it is counted");
      await page.getByLabel("Words in chats").fill("bread");
      await page.getByLabel("Words in chats").press("Enter");
      await page.locator("mark", {hasText: /bread/i}).first().waitFor();
      await page.getByLabel("Words in chats").fill("between us");
      await page.getByLabel("Words in chats").press("Enter");
      await page.getByText("There is no chat here that you may read.").waitFor();
      await page.getByLabel("Words in chats").fill("");
      await page.getByLabel("Feedback").selectOption("down");
      await rows(page).first().click();
      await page.getByText("That you read this is in the audit log").waitFor();
      await page.getByText("Thumb down").waitFor();
      chat = decodeURIComponent(/\/reviews\/([^/?]+)/.exec(page.url())[1]);
      check(!/\bUma\b|uma@example/.test(await page.locator("main").innerText()), "no name is shown");
    }],
    ["it becomes a prompt of a project", async () => {
      const {page} = rui;
      const {id} = await rui.api("POST", "/projects", {name: "From chats", kind: "demonstration"});
      await page.getByRole("button", {name: "Use as a prompt"}).first().click();
      const dialog = page.getByRole("dialog");
      await dialog.getByLabel("Project").selectOption({label: "From chats"});
      await dialog.getByRole("button", {name: "Add the prompt"}).click();
      await page.getByText("The prompt is in the project.").waitFor();
      const {projects} = await rui.get("/projects");
      check(projects.find(one => one.id === id).counts.prompts === 1, `the project has it: ${JSON.stringify(projects)}`);
    }],
    ["its person sees who read it, and so does the audit log", async () => {
      await uma.go("/settings");
      await uma.page.getByRole("link", {name: `Rui read “${title}”`}).first().waitFor();
      const {entries} = await admin.get("/audit?action=read_conversation");
      check(entries.some(one => one.object === chat), `the reading is in the log: ${JSON.stringify(entries)}`);
      await lia.go("/settings");
      await lia.page.getByText("Nobody has read your chats.").waitFor();
    }],
    ["taken back, it is gone at once", async () => {
      await uma.page.getByRole("checkbox", {name: /Reviewers may read my conversations/}).click();
      await until(async () => !(await uma.get("/session")).settings.may_review, "the setting", LONG);
      await rui.go(`/reviews/${chat}`);
      await rui.page.getByRole("heading", {name: "This chat cannot be read"}).waitFor();
      await rui.go("/reviews");
      await rui.page.getByText("There is no chat here that you may read.").waitFor();
    }],
    ["who is no reviewer finds no such page", async () => {
      await uma.go("/reviews");
      await uma.page.getByText("There is nothing here").waitFor();
      check(await uma.page.getByRole("link", {name: "People's chats"}).count() === 0, "no link leads there");
      const answer = await uma.context.request.get(`${server.url}/api/app/reviews`);
      check(answer.status() === 403, `the server refuses: ${answer.status()}`);
    }],
  ]);
}
