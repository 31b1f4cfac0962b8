// People, through the page: the first admin's invitation from the command line, joining, signing in and out, invitations for
// every role, the question about review and training, passwords, throttling, disabling, the audit log, erasing.
import {PASSWORD, LONG, check, run, say, steps, until, write} from "./world.mjs";

const ROLES = {Lia: "Labeler", Ted: "Red-teamer", Rui: "Reviewer", Uma: "User"};

async function join(person, link) {
  const {page} = person;
  await page.goto(link);
  await page.getByLabel("E-mail address").fill(person.email);
  await page.getByLabel("Name", {exact: true}).fill(person.name);
  await page.getByLabel("New password").fill("short");
  await page.getByRole("button", {name: "Join"}).click();
  await page.getByText(/at least 10 characters/).first().waitFor();
  await page.getByLabel("New password").fill(PASSWORD);
  await page.getByRole("button", {name: "Join"}).click();
  await page.getByText(`Signed in as ${person.name}`).waitFor();
}

async function signIn(person, password = PASSWORD) {
  await person.page.getByLabel("E-mail address").fill(person.email);
  await person.page.getByLabel("Password").fill(password);
  await person.page.getByRole("button", {name: "Sign in"}).click();
}

async function choose(person, review, train) {
  const {page} = person;
  await page.getByText("May people of this team learn from your chats?").waitFor();
  if (review) await page.getByLabel(/Reviewers may read my conversations/).check();
  if (train) await page.getByLabel(/may train later models/).check();
  await page.getByRole("button", {name: review || train ? "Save my choice" : "Neither"}).click();
  await page.getByText("May people of this team learn from your chats?").waitFor({state: "detached"});
  const {settings} = await person.get("/session");
  check(settings.asked && settings.may_review === review && settings.may_train === train, `${person.name}'s choice is kept: ${JSON.stringify(settings)}`);
}

// An invitation by the form; → its link.
async function invite(admin, role, note, email = "") {
  const {page} = admin;
  await admin.go("/people/invitations");
  if (email) await page.getByLabel(/^E-mail/).fill(email);
  await page.getByLabel("Note for yourself").fill(note);
  if (role !== "User") {
    await page.getByRole("checkbox", {name: /^User/}).uncheck();
    await page.getByRole("checkbox", {name: new RegExp(`^${role}`)}).check();
  }
  await page.getByRole("button", {name: "Make the link"}).click();
  const link = await page.getByLabel("The invitation's link").inputValue();
  check(link.startsWith(`${admin.url}/join/`), `the link leads here: ${link}`);
  await page.reload();
  await page.getByText(note).waitFor();
  check(await page.getByLabel("The invitation's link").count() === 0, "the link is shown once");
  return link;
}

export async function people(world) {
  const {server, link, database} = await world.team();
  const admin = await world.person(server, "Ada");
  const team = {};
  const navigation = page => page.getByRole("navigation", {name: "Main"}).getByRole("link").allInnerTexts();

  await steps("people", [
    ["the first admin joins, signs out and in", async () => {
      await join(admin, link);
      await choose(admin, true, true);
      await admin.page.getByRole("button", {name: "Sign out"}).click();
      await admin.page.getByRole("button", {name: "Sign in"}).waitFor();
      await signIn(admin, "not the password");
      await admin.page.getByText("The e-mail address or the password is wrong.").waitFor();
      await signIn(admin);
      await admin.page.getByText("Signed in as Ada").waitFor();
      const again = await world.person(server, "Twice");
      await again.page.goto(link);
      await again.page.getByLabel("E-mail address").fill(again.email);
      await again.page.getByLabel("Name", {exact: true}).fill("Twice");
      await again.page.getByLabel("New password").fill(PASSWORD);
      await again.page.getByRole("button", {name: "Join"}).click();
      await again.page.getByText(/This invitation cannot be used/).waitFor();
    }],
    ["a person of each role is invited and joins", async () => {
      for (const [name, role] of Object.entries(ROLES)) {
        const person = team[name] = await world.person(server, name);
        await join(person, await invite(admin, role, `for ${name}`, name === "Uma" ? person.email : ""));
        await choose(person, name !== "Uma", name === "Lia");
        const links = await navigation(person.page);
        check(links.some(text => /Studio/.test(text)) === (name !== "Uma"), `${name} sees ${links}`);
        check(!links.some(text => text.trim() === "People"), `${name} sees no page for admins`);
        await person.go("/people");
        await person.page.getByText("There is nothing here").waitFor();
      }
      check(JSON.parse(run("people", "list", "--database", database, "--json")).length === 5, "the command line lists five people");
    }],
    ["an invitation is withdrawn, and one for another address refused", async () => {
      const gone = await invite(admin, "Labeler", "nobody");
      await admin.page.getByRole("button", {name: "Withdraw the invitation for nobody"}).click();
      await admin.page.getByText("The invitation is withdrawn.").waitFor();
      const other = await invite(admin, "User", "for another", "somebody@example.org");
      const late = await world.person(server, "Late");
      for (const each of [gone, other]) {
        await late.page.goto(each);
        await late.page.getByLabel("E-mail address").fill(late.email);
        await late.page.getByLabel("Name", {exact: true}).fill("Late");
        await late.page.getByLabel("New password").fill(PASSWORD);
        await late.page.getByRole("button", {name: "Join"}).click();
        await late.page.getByText(/This invitation cannot be used/).waitFor();
      }
    }],
    ["roles are changed, and the page follows", async () => {
      await admin.go("/people");
      await admin.page.getByRole("button", {name: "Change roles: Uma"}).click();
      await admin.page.getByRole("checkbox", {name: /^Labeler/}).check();
      await admin.page.getByRole("dialog").getByRole("button", {name: "Save"}).click();
      await admin.page.getByRole("dialog").waitFor({state: "detached"});
      await team.Uma.go("/");
      await team.Uma.page.getByRole("link", {name: "Studio"}).waitFor();
      check(await admin.page.getByRole("button", {name: "Disable: Ada"}).isDisabled(), "an admin cannot shut themselves out");
    }],
    ["the password is changed, and other sessions end", async () => {
      const {Uma} = team;
      const elsewhere = await world.person(server, "Uma");
      await elsewhere.go("/");
      await signIn(elsewhere);
      await elsewhere.page.getByText("Signed in as Uma").waitFor();
      await Uma.go("/settings");
      await Uma.page.getByLabel("Old password").fill("not the old one");
      await Uma.page.getByLabel("New password").fill("another long password");
      await Uma.page.getByRole("button", {name: "Change", exact: true}).click();
      await Uma.page.getByText("The old password is wrong.").waitFor();
      await Uma.page.getByLabel("Old password").fill(PASSWORD);
      await Uma.page.getByRole("button", {name: "Change", exact: true}).click();
      await Uma.page.getByText("The password is changed").waitFor();
      await elsewhere.go("/settings");
      await elsewhere.page.getByRole("button", {name: "Sign in"}).waitFor();
      await Uma.go("/");
      await Uma.page.getByText("Signed in as Uma").waitFor();
    }],
    ["one who is disabled is out, and what they wrote is kept", async () => {
      const {Ted} = team;
      await Ted.go("/");
      await say(Ted.page, "Is anybody there?");
      await admin.go("/people");
      await admin.page.getByRole("button", {name: "Disable: Ted"}).click();
      await admin.page.getByRole("dialog").getByRole("button", {name: "Disable", exact: true}).click();
      await admin.page.getByRole("button", {name: "Enable: Ted"}).waitFor();
      await write(Ted.page, "And now?");
      await Ted.page.getByRole("button", {name: "Sign in"}).waitFor(); // with the next thing that they do
      await signIn(Ted);
      await Ted.page.getByText("The e-mail address or the password is wrong.").waitFor();
      await admin.page.getByRole("button", {name: "Enable: Ted"}).click();
      await admin.page.getByRole("button", {name: "Disable: Ted"}).waitFor();
      await signIn(Ted);
      await Ted.page.getByText("Signed in as Ted").waitFor();
      await Ted.page.getByText("Is anybody there?").first().waitFor();
    }],
    ["erasing says what was removed and that nothing was made of it", async () => {
      await admin.go("/people");
      await admin.page.getByRole("button", {name: "Erase data: Ted"}).click();
      await admin.page.getByLabel("Type “Ted” to confirm").fill("Ted");
      await admin.page.getByRole("button", {name: "Erase for good"}).click();
      await admin.page.getByText("1 conversation and 0 labels were removed.").waitFor();
      await admin.page.getByText("No data set and no model holds any of it.").waitFor();
      await team.Ted.go("/");
      await team.Ted.page.getByRole("button", {name: "Sign in"}).waitFor();
    }],
    ["who guesses a password has to wait", async () => {
      const {Lia} = team;
      const guesser = await world.person(server, "Guesser", Lia.email);
      await guesser.go("/");
      const waits = guesser.page.getByText(/Too many tries\. Wait \d+ s/);
      for (let i = 0; i < 12 && !(await waits.count()); ++i) {
        await signIn(guesser, `guess number ${i}`);
        await until(async () => (await guesser.page.getByLabel("Password").inputValue()) === "", "the try's answer", LONG);
      }
      await waits.waitFor();
      check(await guesser.page.getByRole("button", {name: "Sign in"}).isDisabled(), "no further try while one has to wait");
      await Lia.go("/");
      await Lia.page.getByText("Signed in as Lia").waitFor(); // the one guessed at stays signed in
    }],
    ["the audit log has it all", async () => {
      await admin.go("/people/audit");
      const has = async (action, person, least) => {
        await admin.page.getByLabel("Action", {exact: true}).fill(action);
        await admin.page.getByRole("button", {name: "Filter the log"}).click();
        await admin.page.waitForURL(new RegExp(`action=${action}`));
        const rows = admin.page.locator("tbody tr");
        await until(async () => {
          const texts = await rows.allInnerTexts();
          return texts.length >= least && texts.every(text => text.includes(action)) && texts.some(text => text.includes(person));
        }, `${least} times ${action} by ${person} in the log`, LONG);
      };
      for (const [action, person, least] of [["join", "Ada", 4], ["login_failed", "Lia", 8], ["login", "Ada", 2], ["logout", "Ada", 1], ["invited", "Ada", 6], ["consent", "Lia", 2],
        ["person_changed", "Ada", 3], ["password_failed", "Uma", 1], ["person_erased", "Ada", 1], ["invitation_removed", "Ada", 1]]) await has(action, person, least);
    }],
  ]);
}
