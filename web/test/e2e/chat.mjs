// The chat, as a person uses it.
import {readFile, writeFile} from "node:fs/promises";
import path from "node:path";
import {startFake} from "../fake-server.mjs";
import {check, newPage, until} from "./tools.mjs";

const box = page => page.getByRole("textbox", {name: "Your message"});
const replies = page => page.locator("article.assistant");
const asked = page => page.locator("article.user");
async function say(page, text) {
  await box(page).fill(text);
  await box(page).press("Enter");
}
// The last thing that stands there is an answer, and it is complete.
async function ended(page) {
  await page.waitForTimeout(80);
  await until(() => page.evaluate(() => {
    const last = [...document.querySelectorAll("article.message")].at(-1);
    return last?.classList.contains("assistant") && !last.hasAttribute("aria-busy");
  }), "the end of the answer", 60_000);
}
// A page on a fresh fake server; what breaks on the page is a failure.
async function withPage(browser, options, f, pageOptions) {
  const fake = await startFake({pace: 4, ...options});
  const {page, context} = await newPage(browser, pageOptions);
  const errors = [];
  page.on("pageerror", error => errors.push(error.message));
  page.on("console", message => { if (/Content Security Policy/.test(message.text())) errors.push(message.text()); });
  try {
    await page.goto(fake.url);
    await f(page, fake, context);
  } finally {
    await context.close();
    await fake.close();
  }
  check(errors.length === 0, `on the page: ${errors.join("; ")}`);
}

export const tests = {
  async "a message and its streamed answer"(browser) {
    await withPage(browser, {pace: 40}, async (page, fake) => {
      await say(page, "When does the ferry leave?");
      await page.waitForURL("**/c/*");
      await replies(page).first().waitFor();
      await until(() => page.getByText("The assistant began to answer").count(), "the announcement of the beginning");
      await ended(page);
      await until(() => page.getByText("The answer is complete").count(), "the announcement of the end");
      const reply = replies(page).first();
      check(await reply.locator("strong").count() === 1, "bold text");
      check(await reply.locator("ol li").count() === 2, "a list");
      check(await reply.locator("table td.align-right").count() === 2, "a table");
      await reply.locator(".hljs-keyword").first().waitFor();
      await reply.locator(".katex").nth(1).waitFor();
      check(await page.getByText("It can be wrong").isVisible(), "the notice that it is an AI");
      await page.getByRole("button", {name: "Figures"}).click();
      check(/tokens\/s/.test(await page.locator(".figures").innerText()), "token and speed figures");
      await until(() => page.locator(".conversation-scroll").getByText("When does the ferry leave?").count(), "the title in the list");
      await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
      await reply.locator(".code-head button").click();
      check((await page.evaluate(() => navigator.clipboard.readText())).startsWith("def hello"), "the copied code");
      check(fake.world.conversations.size === 1, "one conversation");
    });
  },
  async "Enter, Shift+Enter and an input method"(browser) {
    await withPage(browser, {}, async (page, fake) => {
      await box(page).fill("one");
      await box(page).press("Shift+Enter");
      await page.keyboard.type("two");
      check(await box(page).inputValue() === "one\ntwo", "Shift+Enter breaks the line");
      const composed = (init) => box(page).evaluate((area, keys) => area.dispatchEvent(new KeyboardEvent("keydown", {key: "Enter", bubbles: true, cancelable: true, ...keys})), init);
      await composed({isComposing: true});
      await composed({keyCode: 229});
      await box(page).dispatchEvent("compositionstart");
      await composed({});
      await box(page).dispatchEvent("compositionend");
      await page.waitForTimeout(150);
      check(fake.world.conversations.size === 0, "Enter while composing sends nothing");
      // A real input method, by the browser's own protocol.
      await box(page).fill("");
      const session = await page.context().newCDPSession(page);
      await session.send("Input.imeSetComposition", {text: "你好", selectionStart: 2, selectionEnd: 2});
      await session.send("Input.dispatchKeyEvent", {type: "rawKeyDown", key: "Enter", code: "Enter", windowsVirtualKeyCode: 229});
      await page.waitForTimeout(100);
      check(fake.world.conversations.size === 0, "Enter that ends a composed word sends nothing");
      await session.send("Input.insertText", {text: "你好"});
      await box(page).press("Enter");
      await asked(page).first().waitFor();
      check((await asked(page).first().innerText()).includes("你好"), "then Enter sends");
    });
  },
  async "stop, answer again, branches, which is better"(browser) {
    await withPage(browser, {pace: 20}, async (page, fake) => {
      fake.world.reply = () => "It goes on and on. ".repeat(200);
      await say(page, "A long story");
      await replies(page).first().locator(".md").waitFor();
      await page.getByRole("button", {name: "Stop"}).click();
      await page.getByText("Stopped", {exact: true}).waitFor();
      fake.world.pace = 2;
      fake.world.reply = () => "The second answer";
      await page.getByRole("button", {name: "Answer again"}).click();
      await page.getByText("Which answer is better?").waitFor();
      check(await page.getByText("2/2").isVisible(), "two branches");
      await page.locator(".compare").getByRole("button", {name: "The new one"}).click();
      await page.getByText("Which answer is better?").waitFor({state: "detached"});
      const [comparison] = fake.world.comparisons;
      check(comparison.choice === "chosen" && comparison.others.length === 1 && comparison.chosen !== comparison.others[0], "the comparison is stored");
      await page.getByRole("button", {name: "Previous branch"}).click();
      await page.getByText("1/2").waitFor();
      await page.getByRole("button", {name: "Answer again"}).click();
      await page.locator(".compare").getByRole("button", {name: "Equally good"}).click();
      await until(() => fake.world.comparisons.length === 2, "the tie");
      check(fake.world.comparisons[1].choice === "tie" && fake.world.comparisons[1].chosen === null && fake.world.comparisons[1].others.length === 2, "the tie is stored");
      await page.reload();
      await page.getByText("3/3").waitFor();
    });
  },
  async "edit and send as a branch"(browser) {
    await withPage(browser, {}, async page => {
      await say(page, "First wording");
      await ended(page);
      await asked(page).first().hover();
      await page.getByRole("button", {name: "Edit", exact: true}).click();
      await page.getByRole("textbox", {name: "Edit your message"}).fill("Second wording");
      await page.keyboard.press("Enter");
      await page.getByText("You wrote: Second wording").waitFor();
      await ended(page);
      check(await asked(page).count() === 1, "the other branch is not shown");
      await page.locator("article.user").getByRole("button", {name: "Previous branch"}).click();
      await page.getByText("You wrote: First wording").waitFor();
    });
  },
  async "the list: search, rename, pin, export, import, delete"(browser, work) {
    await withPage(browser, {}, async (page, fake) => {
      await say(page, "Tell me about the lighthouse");
      await ended(page);
      await page.locator(".new-chat").click();
      await say(page, "讲一讲渡轮的时刻表");
      await ended(page);
      const rows = page.locator(".conversation-scroll li");
      await until(async () => (await rows.count()) === 2, "two rows");
      await page.getByRole("searchbox").fill("渡轮");
      await until(async () => (await rows.count()) === 1, "one hit");
      await page.getByRole("searchbox").fill("tides");
      await page.locator("mark").first().waitFor();
      await page.getByRole("searchbox").fill("");
      await until(async () => (await rows.count()) === 2, "all rows again");
      const menu = async (title, item) => {
        await page.getByRole("button", {name: `Actions for “${title}”`}).click();
        await page.getByRole("menuitem", {name: item}).click();
      };
      await menu("Tell me about the lighthouse", "Rename");
      await page.getByRole("textbox", {name: "Title"}).fill("The light");
      await page.keyboard.press("Enter");
      await menu("The light", "Pin");
      await until(async () => (await rows.first().innerText()).includes("The light"), "the pinned one first");
      const [file] = await Promise.all([page.waitForEvent("download"), menu("The light", "Export as JSON")]);
      const saved = path.join(work, "export.json");
      await file.saveAs(saved);
      check(JSON.parse(await readFile(saved, "utf8")).conversations[0].messages.length === 2, "the exported JSON");
      const [markdown] = await Promise.all([page.waitForEvent("download"), menu("The light", "Export as Markdown")]);
      check(markdown.suggestedFilename().endsWith(".md"), "the exported Markdown");
      await page.locator(".conversations input[type=file]").setInputFiles(saved);
      await until(async () => (await rows.count()) === 3, "the imported one");
      const bad = path.join(work, "bad.json");
      await writeFile(bad, "not json");
      await page.locator(".conversations input[type=file]").setInputFiles(bad);
      await page.getByText("no conversations that can be read").waitFor();
      await menu("讲一讲渡轮的时刻表", "Delete");
      await page.getByRole("dialog").getByRole("button", {name: "Delete"}).click();
      await until(async () => (await rows.count()) === 2, "one less");
      await page.waitForURL(fake.url + "/");
    });
  },
  async "system prompt, sampling and model"(browser) {
    await withPage(browser, {}, async (page, fake) => {
      await page.getByRole("button", {name: "Settings of this conversation"}).click();
      await page.getByRole("textbox", {name: "System prompt"}).fill("Be brief.");
      await page.getByRole("textbox", {name: "Temperature"}).fill("9");
      await page.getByText("A number from 0 to 2").waitFor();
      await page.getByRole("textbox", {name: "Temperature"}).fill("0.5");
      await page.getByRole("button", {name: "Save", exact: true}).click();
      await page.getByRole("button", {name: /Choose a model/}).click();
      await page.getByRole("menuitemradio", {name: "sft"}).click();
      await say(page, "Hello");
      await ended(page);
      const [made] = fake.world.conversations.values();
      check(made.system === "Be brief." && made.sampling.temperature === 0.5 && made.messages[1].model === "sft", "all three came to the server");
      await page.getByRole("button", {name: "Settings of this conversation"}).click();
      await page.getByRole("textbox", {name: "Top k"}).fill("20");
      await page.getByRole("button", {name: "Save", exact: true}).click();
      await until(() => made.sampling.top_k === 20, "changed later");
    });
  },
  async "text files: button, paste, drop"(browser) {
    await withPage(browser, {}, async (page, fake) => {
      await page.locator(".composer input[type=file]").setInputFiles([{name: "notes.md", mimeType: "text/markdown", buffer: Buffer.from("# Notes")}, {name: "a.bin", mimeType: "application/octet-stream", buffer: Buffer.from([0, 255, 254])}]);
      await page.getByText("a.bin is not a text file").waitFor();
      const give = type => page.evaluate(kind => {
        const data = new DataTransfer();
        data.items.add(new File([`from ${kind}`], `${kind}.txt`, {type: "text/plain"}));
        const target = kind === "paste" ? document.querySelector(".composer textarea") : document.querySelector(".chat");
        target.dispatchEvent(kind === "paste" ? new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true}) : new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
      }, type);
      await give("paste");
      await page.getByText("paste.txt").waitFor();
      await give("drop");
      await page.getByText("drop.txt").waitFor();
      await page.getByRole("button", {name: "Remove drop.txt"}).click();
      await say(page, "Read these");
      await ended(page);
      const [made] = fake.world.conversations.values();
      check(made.messages[0].files.map(f => f.name).join() === "notes.md,paste.txt", "two files came");
    });
  },
  async "feedback"(browser) {
    await withPage(browser, {}, async (page, fake) => {
      await say(page, "Hello");
      await ended(page);
      await page.getByRole("button", {name: "Bad answer"}).click();
      await page.getByRole("button", {name: "Makes things up"}).click();
      await page.getByRole("textbox", {name: "Comment"}).fill("No such ferry");
      await page.getByRole("textbox", {name: "What should it have said?"}).fill("At nine.");
      await page.getByRole("button", {name: "Send feedback"}).click();
      await page.getByText("This is kept with the conversation").waitFor();
      const [made] = fake.world.conversations.values();
      const {feedback} = made.messages[1];
      check(feedback.thumb === "down" && feedback.flags.join() === "hallucination" && feedback.comment === "No such ferry" && feedback.better === "At nine.", "feedback is stored");
      await page.getByRole("button", {name: "Good answer"}).click();
      await until(() => made.messages[1].feedback.thumb === "up", "changed to good");
    });
  },
  async "thoughts, tool calls, a failed answer"(browser) {
    await withPage(browser, {}, async (page, fake) => {
      fake.world.reply = () => ({text: "Done.", reasoning: "Let me **think**.", tool_calls: [{id: "1", name: "search", arguments: '{"q":"<b>x</b>"}'}]});
      await say(page, "Think");
      await ended(page);
      check(!(await page.getByText("Let me think.").isVisible()), "thoughts are folded");
      await page.getByText("Thoughts", {exact: true}).click();
      await page.getByText("Let me think.").waitFor();
      await page.getByText("Tool call: search").click();
      await page.getByText('"q": "<b>x</b>"').waitFor();
      fake.world.reply = () => ({text: "It begins and then", fail: "The model ran out of memory."});
      await say(page, "Fail");
      await replies(page).getByText("The answer broke off: The model ran out of memory.").waitFor();
      await page.getByRole("status").getByText("The answer broke off: The model ran out of memory.").waitFor(); // and said
    });
  },
  async "the network goes and comes"(browser) {
    await withPage(browser, {pace: 25}, async (page, fake) => {
      await say(page, "A long story");
      await replies(page).first().locator(".md").waitFor();
      fake.world.down = true;
      fake.world.dropStreams();
      await page.getByText("The server cannot be reached. What you write is kept").waitFor();
      await box(page).fill("a draft");
      fake.world.down = false;
      await page.getByText("The server cannot be reached").waitFor({state: "detached"});
      await ended(page);
      const [made] = fake.world.conversations.values();
      const shown = await replies(page).first().locator(".md").innerText();
      check(shown.includes("Hello, {name}!") && made.messages[1].state === "done", "the stream went on to the end");
      check((await replies(page).count()) === 1, "nothing is doubled");
      await page.reload();
      check(await until(async () => (await box(page).inputValue()) === "a draft", "the draft is kept"), "draft");
      await replies(page).first().waitFor();
      // The request is lost before it arrives.
      fake.world.down = true;
      await box(page).press("Enter");
      await page.getByText("Not sent:").waitFor();
      fake.world.down = false;
      check(made.messages.length === 2, "nothing came");
      await page.reload();
      await page.getByText("Not sent:").waitFor();
      await page.getByRole("button", {name: "Send again"}).click();
      await until(() => made.messages.length === 4, "sent again");
      await ended(page);
      // The request arrives and its answer is lost: it must not be sent twice.
      fake.world.breakNext.push({method: "POST", path: "/messages", after: true});
      await say(page, "only once");
      await until(async () => (await replies(page).count()) === 3, "the reply of the message whose answer was lost");
      await ended(page);
      check(made.messages.filter(m => m.content === "only once").length === 1, "sent once");
      check(await page.getByText("Not sent:").count() === 0, "and known as sent");
    });
  },
  async "a reply that goes on while the page is loaded again"(browser) {
    await withPage(browser, {pace: 20}, async page => {
      await say(page, "A long story");
      await replies(page).first().locator(".md").waitFor();
      await page.reload();
      await page.getByText("Sunday").waitFor();
      await ended(page);
    });
  },
  async "a reply of 10,000 lines"(browser) {
    await withPage(browser, {pace: 10}, async (page, fake) => {
      const text = Array.from({length: 5000}, (_, i) => (i % 50 === 0 ? `## Part ${i / 50}` : `Line **${i}** of a long reply with \`code\` in it.`)).join("\n\n");
      fake.world.reply = () => ({text});
      await say(page, "At length");
      await replies(page).first().locator(".md").waitFor();
      // While it streams, typing is answered.
      const gaps = await page.evaluate(() => new Promise(resolve => {
        const out = [];
        let last = performance.now();
        const tick = () => {
          const at = performance.now();
          out.push(at - last);
          last = at;
          if (out.length < 60) requestAnimationFrame(tick);
          else resolve(out);
        };
        requestAnimationFrame(tick);
      }));
      gaps.sort((a, b) => a - b);
      console.log(`  while it streams: median frame ${gaps[30].toFixed(0)} ms, longest ${gaps[59].toFixed(0)} ms`);
      await ended(page);
      check(await page.locator(".md > *").count() === 5000, "all of it is there");
      await page.locator(".md > *").last().getByText("4999").waitFor();
      check(await page.evaluate(() => { const box = document.querySelector(".scroll"); return box.scrollHeight - box.scrollTop - box.clientHeight < 60; }), "the end of it is in view");
      const many = `|${" a |".repeat(10_000)}\n|${" - |".repeat(10_000)}\n|${" 1 |".repeat(10_000)}`;
      fake.world.reply = () => many;
      await say(page, "A wide table");
      await ended(page);
      await box(page).fill("still alive");
    });
  },
  async "a long conversation"(browser) {
    await withPage(browser, {}, async (page, fake) => {
      const empty = {reasoning: "", tool_calls: [], files: [], model: "ppo", model_hash: "", sampling: {}, state: "done", error: "", usage: null, seconds: null, feedback: null, created: 1};
      const messages = Array.from({length: 600}, (_, i) => ({...empty, id: `m${i}`, parent: i ? `m${i - 1}` : null, role: i % 2 ? "assistant" : "user", content: `Message ${i}`}));
      fake.world.conversations.set("long", {id: "long", owner: "local", title: "Long", pinned: false, system: "", model: "", sampling: {}, current: "m599", created: 1, updated: 1, messages});
      await page.goto(`${fake.url}/c/long`);
      await page.getByText("Message 599").waitFor();
      check(await page.locator("article").count() <= 80, "only its end is drawn at first");
      const before = await page.locator("article").count();
      await page.getByRole("button", {name: "Earlier messages"}).click();
      await until(async () => (await page.locator("article").count()) > before, "earlier messages");
    });
  },
  async "another's conversation, one that is gone"(browser) {
    await withPage(browser, {}, async (page, fake) => {
      await page.goto(`${fake.url}/c/nothing`);
      await page.getByText("There is no such conversation").waitFor();
    });
  },
  async "no models, and a recipe that runs"(browser) {
    await withPage(browser, {models: [], recipe: "running"}, async page => {
      await page.getByRole("heading", {name: "There is no model yet"}).waitFor();
      await page.getByRole("link", {name: "See how far the recipe is"}).click();
      await page.waitForURL("**/run");
    });
    await withPage(browser, {recipe: "running"}, async page => {
      await page.getByText("The recipe is running.").waitFor();
    });
  },
  async "the choice about review and training"(browser) {
    await withPage(browser, {}, async (page, fake) => {
      await page.getByLabel("Reviewers may read my conversations").check();
      await page.getByRole("button", {name: "Save my choice"}).click();
      await page.getByText("May people of this team").waitFor({state: "detached"});
      const {settings} = fake.world.people.get("local");
      check(settings.asked && settings.may_review && !settings.may_train, "the choice is stored");
    });
  },
  async "with the keyboard alone"(browser) {
    await withPage(browser, {}, async page => {
      await until(() => page.evaluate(() => document.activeElement?.localName === "textarea"), "the focus in the box");
      await page.keyboard.type("Hello");
      await page.keyboard.press("Enter");
      await ended(page);
      check(await box(page).evaluate(element => element === document.activeElement), "the focus is in the box again");
      const reach = async name => {
        for (let i = 0; i < 60; ++i) {
          await page.keyboard.press("Shift+Tab");
          if (await page.evaluate(() => document.activeElement?.getAttribute("aria-label")) === name) return true;
        }
        return false;
      };
      check(await reach("Answer again"), "Answer again is reached");
      await page.keyboard.press("Enter");
      await page.getByText("Which answer is better?").waitFor();
      check(await reach("Actions for “Hello”"), "the conversation's menu is reached");
      await page.keyboard.press("Enter");
      await page.keyboard.press("ArrowDown");
      check(await page.evaluate(() => document.activeElement?.textContent) === "Pin", "arrows move in the menu");
      await page.keyboard.press("Escape");
      check(await page.evaluate(() => document.activeElement?.getAttribute("aria-label")) === "Actions for “Hello”", "Escape gives the focus back");
      await page.locator(".skip").focus();
      await page.keyboard.press("Enter");
      check(await page.evaluate(() => document.activeElement?.id) === "main", "the skip link leads to the content");
    });
  },
  async "on a phone"(browser) {
    await withPage(browser, {}, async page => {
      await say(page, "Hello");
      await ended(page);
      check(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), "nothing is wider than the screen");
      check(!(await page.locator(".sidebar").isVisible()), "the drawer is shut");
      await page.getByRole("button", {name: "Menu", exact: true}).click();
      await page.locator(".sidebar").getByRole("link", {name: "Settings"}).waitFor();
      await page.keyboard.press("Escape");
      await page.locator(".sidebar").waitFor({state: "hidden"});
      check(await page.evaluate(() => document.activeElement?.getAttribute("aria-label")) === "Menu", "the focus is on the button again");
    }, {viewport: {width: 390, height: 780}, hasTouch: true, isMobile: true});
  },
};
