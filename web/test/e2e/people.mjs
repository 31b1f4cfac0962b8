// The admins' pages in a real browser: roles, disabling, erasing, invitations, the audit log, remote models.
import assert from "node:assert/strict";
import {checkAxe, collect, until, withPage} from "./studio-harness.mjs";

export const {tests, describe, it} = collect();

const ADMIN = {as: "ann@example.org", path: "/people"};

describe("people", () => {
  it("roles are changed, and oneself cannot be shut out", () => withPage(ADMIN, async (page, world) => {
    await page.getByRole("button", {name: "Change roles: Bo"}).click();
    await page.getByRole("checkbox", {name: /^Labeler/}).check();
    await checkAxe(page, "roles");
    await page.getByRole("dialog").getByRole("button", {name: "Save"}).click();
    await until(() => world.people.get("p-bo").roles.includes("labeler"), "the role");
    assert.ok(await page.getByRole("button", {name: "Disable: Ann"}).isDisabled());
    assert.ok(await page.getByRole("button", {name: "Erase data: Ann"}).isDisabled());
  }));

  it("somebody is disabled after a question, and enabled again", () => withPage(ADMIN, async (page, world) => {
    await page.getByRole("button", {name: "Disable: Rui"}).click();
    await page.getByRole("heading", {name: "Disable Rui?"}).waitFor();
    await page.getByRole("dialog").getByRole("button", {name: "Disable", exact: true}).click();
    await until(() => world.people.get("p-rev").disabled, "disabled");
    await page.getByRole("button", {name: "Enable: Rui"}).click();
    await until(() => !world.people.get("p-rev").disabled, "enabled");
  }));

  it("erasing names the person, wants the name typed, and says what held the data", () => withPage(ADMIN, async (page, world) => {
    await page.getByRole("button", {name: "Erase data: Bo"}).click();
    await page.getByRole("heading", {name: "Erase everything of Bo?"}).waitFor();
    const erase = page.getByRole("button", {name: "Erase for good"});
    assert.ok(await erase.isDisabled());
    await page.getByLabel("Type “Bo” to confirm").fill("bo");
    assert.ok(await erase.isDisabled());
    await page.getByLabel("Type “Bo” to confirm").fill("Bo");
    await checkAxe(page, "erasing");
    await erase.click();
    await page.getByRole("heading", {name: "Bo was erased"}).waitFor();
    await page.getByText("first round").waitFor();
    await page.getByText("round-1").waitFor();
    await checkAxe(page, "erased");
    assert.equal(world.people.has("p-bo"), false);
    await page.getByRole("dialog").getByRole("button", {name: "Close"}).last().click();
    await page.getByRole("button", {name: "Change roles: Bo"}).waitFor({state: "detached"});
  }));

  it("an invitation's link is shown once, copied, and taken back", () => withPage({...ADMIN, path: "/people/invitations"}, async (page, world) => {
    await page.getByLabel("Days it is valid").fill("0");
    await page.getByRole("button", {name: "Make the link"}).click();
    await page.getByText("A whole number from 1 to 365.").waitFor();
    await page.getByLabel("Days it is valid").fill("3");
    await page.getByLabel("Note for yourself").fill("the new labeler");
    await page.getByRole("checkbox", {name: /^Labeler/}).check();
    await page.getByRole("button", {name: "Make the link"}).click();
    const link = await page.getByLabel("The invitation's link").inputValue();
    assert.match(link, /\/join\//);
    await page.getByRole("button", {name: "Copy"}).click();
    await page.getByRole("button", {name: "Copied"}).waitFor();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), link);
    await checkAxe(page, "link");
    await page.reload();
    await page.getByText("the new labeler").waitFor();
    assert.equal(await page.getByLabel("The invitation's link").count(), 0);
    await page.getByRole("button", {name: "Withdraw the invitation for the new labeler"}).click();
    await until(() => world.invitations.size === 0, "withdrawn");
  }));

  it("the audit log is filtered by person and by action", () => withPage({...ADMIN, path: "/people/audit"}, async (page, world) => {
    for (const [i, action] of ["person.change", "label.read", "person.change"].entries()) {
      world.audit.push({id: `a${i}`, time: 1_790_000_000 - i, person: i === 2 ? "p-rev" : "p-ann", name: i === 2 ? "Rui" : "Ann", action, object: `object-${i}`, detail: {roles: ["user"]}});
    }
    await page.reload();
    const rows = () => page.locator("tbody tr").count();
    await until(async () => (await rows()) === 3, "three entries");
    await page.getByLabel("Action", {exact: true}).fill("person.change");
    await page.getByRole("button", {name: "Filter the log"}).click();
    await until(async () => (await rows()) === 2, "two entries");
    await page.getByLabel("Person", {exact: true}).selectOption({label: "Rui"});
    await until(async () => (await rows()) === 1, "one entry");
    assert.match(page.url(), /person=p-rev/);
    await checkAxe(page, "audit");
  }));

  it("a remote model is added and removed; its key is not shown", () => withPage({...ADMIN, path: "/people/models"}, async (page, world) => {
    await page.getByLabel("Name here").fill("far");
    await page.getByLabel("Address", {exact: true}).fill("ftp://x");
    await page.getByRole("button", {name: "Add the model"}).click();
    await page.getByText("An address that begins with").waitFor();
    await page.getByLabel("Address", {exact: true}).fill("https://api.example.org/v1");
    await page.getByLabel("Model there").fill("gpt-far");
    await page.getByLabel("Key", {exact: true}).fill("secret-key");
    await page.getByRole("button", {name: "Add the model"}).click();
    await page.getByRole("cell", {name: "gpt-far"}).waitFor();
    assert.equal(world.remotes.get("far").key, "secret-key");
    assert.equal((await page.content()).includes("secret-key"), false);
    await page.getByRole("button", {name: "Remove: far"}).click();
    await page.getByRole("dialog").getByRole("button", {name: "Remove", exact: true}).click();
    await page.getByText("No remote models.").waitFor();
  }));

  it("somebody who is no admin finds nothing here", () => withPage({as: "bo@example.org", path: "/people"}, async (page, world) => {
    await page.getByText("There is nothing here").waitFor();
    assert.equal(world.requests.some(r => r === "GET /api/app/people"), false);
  }));
});
