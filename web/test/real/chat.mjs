// The chat, as a team's people use it, with this run's models, one of another server of this program, and one whose words the
// test lets out itself: so that what happens in the middle of a reply happens there, on any machine.
import {readFileSync, writeFileSync} from "node:fs";
import {newPage} from "../e2e/tools.mjs";
import {LONG, box, check, replies, run, say, startUpstream, steps, until, write} from "./world.mjs";

const rows = page => page.locator(".conversation-scroll li");
const stopButton = page => page.getByRole("button", {name: "Stop", exact: true});
async function pick(page, model) {
  await page.getByRole("button", {name: /Choose a model/}).click();
  await page.getByRole("menuitemradio", {name: new RegExp(`^${model}`)}).click();
  await page.getByRole("button", {name: `Choose a model: ${model}`}).waitFor();
}
// A new conversation with the model.
async function fresh(person, model) {
  await person.go("/");
  await person.page.getByText("What can I help with?").waitFor();
  if (model) await pick(person.page, model);
}
async function conversation(person, title) {
  const {conversations} = await person.get("/conversations?limit=500");
  const found = conversations.find(c => c.title === title);
  return found && person.get(`/conversations/${found.id}`);
}
async function menu(page, title, item) {
  await page.getByRole("button", {name: `Actions for “${title}”`}).click();
  await page.getByRole("menuitem", {name: item}).click();
}
async function download(page, act) {
  const [file] = await Promise.all([page.waitForEvent("download"), act()]);
  return readFileSync(await file.path(), "utf8");
}

export async function chat(world) {
  const upstream = await startUpstream();
  world.onClose(() => upstream.close());
  const far = await world.serve(); // a second server of the program, without accounts
  const team = await world.members({uma: ["user"], bob: ["user"]});
  const {admin, uma, bob, server, database} = team;
  const {page} = uma;
  const remote = async (id, url, model, key, allowed) => {
    await admin.go("/people/models");
    await admin.page.getByLabel("Name here").fill(id);
    await admin.page.getByLabel("Address", {exact: true}).fill(url);
    await admin.page.getByLabel("Model there").fill(model);
    await admin.page.getByLabel("Key", {exact: true}).fill(key);
    if (allowed) await admin.page.getByLabel("Allow private addresses").check();
    await admin.page.getByRole("button", {name: "Add the model"}).click();
    await admin.page.getByText("The model is added.").waitFor();
    await admin.page.getByRole("cell", {name: url, exact: true}).waitFor();
  };

  await steps("chat", [
    ["a reply streams from the run's own model, and is kept", async () => {
      await fresh(uma);
      await page.getByText("You are talking to an AI. It can be wrong").waitFor();
      await say(page, "When does the ferry leave?");
      await until(() => page.getByText("The answer is complete").count(), "the announcement of the end", LONG);
      const kept = await conversation(uma, "When does the ferry leave?");
      const [asked, reply] = kept.messages;
      check(asked.content === "When does the ferry leave?" && ["done", "cut"].includes(reply.state) && /^[0-9a-f]{64}$/.test(reply.model_hash), `the reply with its model's hash: ${JSON.stringify(reply)}`);
      await page.getByRole("button", {name: "Figures"}).click();
      const figures = await page.locator(".figures").innerText();
      check(figures.includes(`${reply.usage.completion_tokens} tokens`) && /tokens\/s/.test(figures), `figures: ${figures}`);
      await page.reload();
      await page.getByText("When does the ferry leave?").first().waitFor();
      check((await replies(page).first().innerText()).includes(reply.content.trim().slice(0, 20).split("\n")[0]), "the same reply after loading again");
    }],
    ["an admin adds models elsewhere; a private address is refused until it is allowed", async () => {
      await remote("far", `${far.url}/v1`, "ppo", "", false);
      await fresh(uma, "far");
      await write(page, "Is anybody far away?");
      await replies(page).getByText(/The answer broke off: .*private network/).waitFor();
      await admin.page.getByRole("button", {name: "Remove: far"}).click();
      await admin.page.getByRole("dialog").getByRole("button", {name: "Remove", exact: true}).click();
      await admin.page.getByText("No remote models.").waitFor();
      await remote("far", `${far.url}/v1`, "ppo", "", true);
      await remote("echo", upstream.url, "parrot-1", "a-secret-key", true);
      check(!(await admin.page.content()).includes("a-secret-key"), "the key is not shown");
      await fresh(uma, "far");
      await say(page, "And now?");
      check((await conversation(uma, "And now?")).messages[1].state.match(/done|cut/), "the far model answered");
      await bob.go("/people/models");
      await bob.page.getByText("There is nothing here").waitFor();
    }],
    ["system prompt, sampling and a file come to the model", async () => {
      await fresh(uma, "echo");
      await page.getByRole("button", {name: "Settings of this conversation"}).click();
      await page.getByRole("textbox", {name: "System prompt"}).fill("Be brief.");
      await page.getByRole("textbox", {name: "Temperature"}).fill("9");
      await page.getByText("A number from 0 to 2").waitFor();
      await page.getByRole("textbox", {name: "Temperature"}).fill("0.5");
      await page.getByRole("textbox", {name: "Longest answer (tokens)"}).fill("77");
      await page.getByRole("button", {name: "Save", exact: true}).click();
      await page.locator(".composer input[type=file]").setInputFiles([{name: "notes.md", mimeType: "text/markdown", buffer: Buffer.from("# Notes\nThe lighthouse is red. 灯塔是红色的。")},
        {name: "a.bin", mimeType: "application/octet-stream", buffer: Buffer.from([0, 255, 254])}]);
      await page.getByText("a.bin is not a text file").waitFor();
      await say(page, "What colour is it?");
      const sent = upstream.state.requests.at(-1);
      check(sent.model === "parrot-1" && sent.authorization === "Bearer a-secret-key" && sent.stream === true, "the model, its key, streaming");
      check(sent.temperature === 0.5 && sent.max_tokens === 77 || sent.max_completion_tokens === 77, `sampling: ${JSON.stringify(sent)}`);
      check(sent.messages[0].role === "system" && sent.messages[0].content === "Be brief.", "the system prompt");
      check(sent.messages[1].content.includes("notes.md") && sent.messages[1].content.includes("灯塔是红色的。") && sent.messages[1].content.includes("What colour is it?"), "the file's text");
      await replies(page).getByText("A short answer.").waitFor();
    }],
    ["thoughts are folded; hostile markup in pieces runs nothing", async () => {
      const hostile = '<img src=x onerror="window.hacked=1"> <script>window.hacked=1</script> [x](javascript:window.hacked=1) ![y](https://elsewhere.invalid/y.png)\n\n**bold**';
      upstream.state.words = () => [{reasoning_content: "Let me "}, {reasoning_content: "think."}, ...hostile];
      const elsewhere = [];
      page.on("request", request => { if (!request.url().startsWith(server.url) && !request.url().startsWith("blob:")) elsewhere.push(request.url()); });
      await fresh(uma, "echo");
      await say(page, "Think, and attack");
      await replies(page).locator("strong").getByText("bold").waitFor();
      check(await page.evaluate(() => window.hacked) === undefined && elsewhere.length === 0, `nothing ran or left: ${elsewhere}`);
      check(!(await page.getByText("Let me think.").isVisible()), "thoughts are folded");
      await page.getByText("Thoughts", {exact: true}).click();
      await page.getByText("Let me think.").waitFor();
    }],
    ["stop in the middle, answer again, which is better", async () => {
      upstream.state.words = () => ["It goes on ", "and on ", "for ever."];
      const left = upstream.state.left;
      upstream.hold();
      await fresh(uma, "echo");
      await write(page, "A long story");
      await replies(page).getByText("It goes on").waitFor();
      await stopButton(page).click();
      await page.getByText("Stopped", {exact: true}).waitFor();
      await until(() => upstream.state.left > left, "the model is told to stop", LONG);
      upstream.letGo();
      upstream.state.words = () => ["The second ", "answer"];
      await page.getByRole("button", {name: "Answer again"}).click();
      await page.getByText("Which answer is better?").waitFor();
      await page.locator(".compare").getByRole("button", {name: "The new one"}).click();
      await page.getByText("Which answer is better?").waitFor({state: "detached"});
      await page.getByText("2/2").waitFor();
      await page.getByRole("button", {name: "Previous branch"}).click();
      await replies(page).getByText("It goes on").waitFor();
      const {messages} = await conversation(uma, "A long story");
      check(messages.map(m => m.state).join() === "done,stopped,done" && messages[1].content.startsWith("It goes on") && !messages[1].content.includes("ever"), `what was written is kept: ${JSON.stringify(messages.map(m => m.content))}`);
    }],
    ["edit and send as a branch; the branches are walked and kept", async () => {
      upstream.state.words = asked => ["You wrote: ", asked.messages.at(-1).content];
      await fresh(uma, "echo");
      await say(page, "First wording");
      await say(page, "A second question");
      await page.locator("article.user").first().hover();
      await page.getByRole("button", {name: "Edit", exact: true}).first().click();
      await page.getByRole("textbox", {name: "Edit your message"}).fill("Other wording");
      await page.keyboard.press("Enter");
      await page.getByText("You wrote: Other wording").waitFor();
      check(await page.locator("article.user").count() === 1, "the other branch is not shown");
      await page.locator("article.user").getByRole("button", {name: "Previous branch"}).click();
      await page.getByText("You wrote: A second question").waitFor();
      await page.reload();
      await page.getByText("You wrote: A second question").waitFor(); // where the person was
      check((await conversation(uma, "First wording")).messages.length === 6, "both branches are kept");
    }],
    ["thumbs, flags, and what it should have said", async () => {
      await page.getByRole("button", {name: "Bad answer"}).last().click();
      await page.getByRole("button", {name: "Makes things up"}).click();
      await page.getByRole("textbox", {name: "Comment"}).fill("No such ferry");
      await page.getByRole("textbox", {name: "What should it have said?"}).fill("At nine, from the old pier.");
      await page.getByRole("button", {name: "Send feedback"}).click();
      await page.getByText("This is kept with the conversation").waitFor();
      await page.getByRole("button", {name: "Good answer"}).first().click();
      await until(async () => (await conversation(uma, "First wording")).messages.filter(m => m.feedback).length === 2, "both judgments", LONG);
      const {messages} = await conversation(uma, "First wording");
      const bad = messages.find(m => m.feedback?.thumb === "down");
      check(bad.feedback.flags.join() === "hallucination" && bad.feedback.comment === "No such ferry" && bad.feedback.better === "At nine, from the old pier.", `stored: ${JSON.stringify(bad.feedback)}`);
      const rowsOf = shape => run("feedback", "export", "--database", database, "--feedback", "--shape", shape).split("\n").filter(Boolean).map(line => JSON.parse(line));
      check(rowsOf("messages").some(row => row.messages.at(-1).content === "At nine, from the old pier."), "it became a demonstration");
      check(rowsOf("pairs").some(row => JSON.stringify(row.chosen).includes("The second answer")), "the comparison became a pair");
    }],
    ["the list: search, Chinese too, rename, pin, export, import, delete", async () => {
      await fresh(uma, "echo");
      await say(page, "讲一讲渡轮的时刻表");
      const before = (await uma.get("/conversations?limit=500")).conversations.length;
      const found = n => until(async () => (await rows(page).count()) === n, `${n} rows`, LONG);
      await found(before);
      await page.getByRole("searchbox").fill("渡轮");
      await found(1);
      await page.getByRole("searchbox").fill("时刻");
      await page.locator("mark", {hasText: "时刻"}).first().waitFor();
      await found(1);
      await page.getByRole("searchbox").fill("old wording nobody wrote");
      await page.getByText("Nothing found").waitFor();
      await page.getByRole("searchbox").fill("");
      await found(before);
      await menu(page, "讲一讲渡轮的时刻表", "Rename");
      await page.getByRole("textbox", {name: "Title"}).fill("渡轮 Ferry");
      await page.keyboard.press("Enter");
      await menu(page, "渡轮 Ferry", "Pin");
      await until(async () => (await rows(page).first().innerText()).includes("渡轮 Ferry"), "the pinned one first", LONG);
      const json = await download(page, () => menu(page, "渡轮 Ferry", "Export as JSON"));
      check(JSON.parse(json).conversations[0].messages.length === 2, "exported as JSON");
      const markdown = await download(page, () => menu(page, "渡轮 Ferry", "Export as Markdown"));
      check(markdown.includes("渡轮 Ferry") && markdown.includes("You wrote: 讲一讲渡轮的时刻表"), `exported as Markdown: ${markdown}`);
      const all = await download(page, async () => { await page.getByRole("button", {name: "More", exact: true}).click(); await page.getByRole("menuitem", {name: "Export all"}).click(); });
      check(JSON.parse(all).conversations.length === before, "all of them exported");
      const importFrom = (name, text) => {
        writeFileSync(world.file(name), text);
        return page.locator(".conversations input[type=file]").setInputFiles(world.file(name));
      };
      await importFrom("one.json", json);
      await found(before + 1);
      await importFrom("lines.jsonl", '{"messages": [{"role": "user", "content": "From OpenAI\'s shape"}, {"role": "assistant", "content": "Yes"}]}\n{oops\n');
      await page.getByText(/1 imported, 1 skipped/).waitFor();
      await found(before + 2);
      await importFrom("bad.json", "not json at all");
      await page.locator(".toast, [role=status], [role=alert]").filter({hasText: /skipped|cannot be read|no conversations/}).last().waitFor();
      await found(before + 2);
      await page.getByRole("button", {name: "Actions for “渡轮 Ferry”"}).first().click();
      await page.getByRole("menuitem", {name: "Delete"}).click();
      await page.getByRole("dialog").getByRole("button", {name: "Delete"}).click();
      await found(before + 1);
    }],
    ["another person's conversation is not there", async () => {
      const mine = await conversation(uma, "First wording");
      await bob.go(`/c/${mine.id}`);
      await bob.page.getByText("There is no such conversation.").waitFor();
      const answer = await bob.context.request.get(`${server.url}/api/app/conversations/${mine.id}/export?format=json`);
      check(answer.status() === 404, `its export is not there: ${answer.status()}`);
    }],
    ["two tabs at once, each with its own stream; and many more that are hidden", async () => {
      const other = await uma.context.newPage();
      other.setDefaultTimeout(LONG);
      world.watch(other, "Uma's second tab");
      upstream.state.words = asked => [`To ${asked.messages.at(-1).content}: `, "first ", "then ", "last."];
      upstream.hold();
      await fresh(uma, "echo");
      await write(page, "tab one");
      await replies(page).getByText("To tab one:").waitFor();
      await other.goto(`${server.url}/`);
      await pick(other, "echo");
      await write(other, "tab two");
      await replies(other).getByText("To tab two:").waitFor();
      const third = await uma.context.newPage(); // looks at what is written for the first
      third.setDefaultTimeout(LONG);
      await third.goto(page.url());
      await replies(third).getByText("To tab one:").waitFor();
      upstream.letGo();
      for (const [tab, name] of [[page, "one"], [other, "two"], [third, "one"]]) await replies(tab).getByText(`To tab ${name}: first then last.`).waitFor();
      await other.close();
      await third.close();
      const hidden = [];
      for (let i = 0; i < 6; ++i) { // with the first: more than a browser's connections to one server
        const tab = await uma.context.newPage();
        tab.setDefaultTimeout(LONG);
        await tab.addInitScript(() => { Object.defineProperty(document, "hidden", {get: () => window.shown !== true}); });
        await tab.goto(`${server.url}/`);
        hidden.push(tab);
      }
      await Promise.all(hidden.map(tab => tab.getByText("What can I help with?").waitFor()));
      const last = hidden.at(-1);
      await last.evaluate(() => { window.shown = true; document.dispatchEvent(new Event("visibilitychange")); });
      await pick(last, "echo");
      await say(last, "one of many");
      await replies(last).getByText("To one of many: first then last.").waitFor();
      for (const tab of hidden) await tab.close();
    }],
    ["the network goes in the middle of a reply, and comes", async () => {
      upstream.state.words = () => ["Before, ", "while ", "and after."];
      upstream.hold();
      await fresh(uma, "echo");
      await write(page, "On the ferry");
      await replies(page).getByText("Before,").waitFor();
      await uma.context.setOffline(true);
      upstream.letGo(); // what comes now comes to nobody
      await write(page, "a draft").catch(() => {});
      await uma.context.setOffline(false);
      await replies(page).getByText("Before, while and after.").waitFor();
      check(await replies(page).count() === 1, "nothing is doubled");
      const {messages} = await conversation(uma, "On the ferry");
      check(messages[1].state === "done", "it went on to the end");
    }],
    ["the server is killed in the middle of a reply, and comes again", async () => {
      upstream.state.words = () => ["Half of ", "it"];
      upstream.hold();
      await fresh(uma, "echo");
      await write(page, "Will you live?");
      await replies(page).getByText("Half of").waitFor();
      await server.kill();
      await page.getByText("The server cannot be reached. What you write is kept").waitFor();
      await box(page).fill("Are you there?");
      upstream.letGo();
      await server.start();
      await page.getByText("The server cannot be reached").waitFor({state: "detached"});
      await replies(page).getByText(/The answer broke off/).waitFor();
      check(await box(page).inputValue() === "Are you there?", "what was being written is kept");
      await box(page).press("Enter");
      await replies(page).getByText("Half of it").waitFor();
      const {messages} = await conversation(uma, "Will you live?");
      check(messages.map(m => m.state).join() === "done,stopped,done,done", `said and gone on: ${messages.map(m => m.state)}`);
    }],
    ["a message that the server did not get is kept and sent once", async () => {
      await server.kill();
      await write(page, "Sent to nobody");
      await page.getByText("Not sent:").waitFor();
      await page.reload().catch(() => {}); // the page itself cannot be had now
      await server.start();
      // Not at the first go where the browser is still on its way to its own page of errors.
      await until(() => page.goto(`${server.url}/`).then(() => true, () => false), "the page is there again", LONG);
      await page.locator(".conversation-scroll a", {hasText: "Will you live?"}).click();
      await page.getByText("Not sent:").waitFor();
      await page.getByRole("button", {name: "Send again"}).click();
      await page.getByText("Not sent:").waitFor({state: "detached"});
      await until(async () => (await conversation(uma, "Will you live?")).messages.filter(m => m.content === "Sent to nobody").length === 1, "it came once", LONG);
    }],
    ["two models are compared blind, and the vote counts", async () => {
      upstream.state.words = () => ["The answer of ", "the parrot"];
      await uma.go("/blind");
      await page.getByRole("textbox", {name: "Your question"}).fill("Who are you?");
      await page.getByRole("button", {name: "Ask both"}).click();
      const left = page.getByRole("button", {name: "Left is better"});
      await until(() => left.isEnabled(), "both answers", LONG);
      check(await page.getByText(/Left: \w|Right: \w/).count() === 0, "no names before the vote");
      await left.click();
      await page.getByText(/Left was \S+, right was \S+\./).waitFor();
      const {models} = await uma.get("/blind/scores");
      check(models.reduce((n, m) => n + m.wins, 0) === 1 && models.reduce((n, m) => n + m.losses, 0) === 1, `one vote: ${JSON.stringify(models)}`);
      const winner = models.find(m => m.wins === 1).id;
      await page.locator("table.scores tr", {hasText: winner}).getByText("100 %").first().waitFor();
    }],
    ["Chinese, dark, on a phone", async () => {
      const {page: phone, context} = await newPage(world.browser, {viewport: {width: 390, height: 780}, isMobile: true, hasTouch: true, locale: "zh-CN", colorScheme: "dark", storageState: await bob.context.storageState()});
      phone.setDefaultTimeout(LONG);
      await phone.goto(`${server.url}/`);
      await phone.getByRole("heading", {name: "有什么可以帮您？"}).waitFor();
      await phone.getByRole("textbox", {name: "您的消息"}).fill("渡轮几点开？");
      await phone.getByRole("button", {name: "发送"}).click();
      await phone.locator("article.assistant:not([aria-busy])").waitFor();
      check(await phone.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), "nothing is wider than the screen");
      await context.close();
    }],
  ]);
}
