// Signing in by OpenID Connect through the page, at a small provider of the tests' own: discovery, keys, authorization code,
// PKCE (S256, checked), ID tokens signed with RS256.
import {createHash, createSign, generateKeyPairSync, randomUUID, timingSafeEqual} from "node:crypto";
import http from "node:http";
import {check, steps} from "./world.mjs";

const CLIENT = "loquat", SECRET = "a client's secret: %+&";
const base64url = value => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
function makeKey(kid) {
  const {privateKey, publicKey} = generateKeyPairSync("rsa", {modulusLength: 2048});
  return {privateKey, jwk: {...publicKey.export({format: "jwk"}), kid, alg: "RS256", use: "sig"}};
}
function sign(claims, {privateKey, jwk}) {
  const signed = `${base64url({alg: "RS256", typ: "JWT", kid: jwk.kid})}.${base64url(claims)}`;
  return `${signed}.${createSign("RSA-SHA256").update(signed).sign(privateKey).toString("base64url")}`;
}

// Whoever presses a name there is that person. `mischief` changes the claims or the key of the next token.
async function startProvider() {
  const key = makeKey("k1"), codes = new Map(), told = [];
  const provider = {mischief: null, told, key, exchanged: 0};
  const people = {Nia: "nia@example.org", Ada: "ada@example.org", Tom: "tom@town.example", Eve: "eve@elsewhere.example"};
  const json = (response, body, status = 200) => {
    response.writeHead(status, {"Content-Type": "application/json"});
    response.end(JSON.stringify(body));
  };
  const tokenFor = (request, form) => {
    const [id, secret] = Buffer.from((request.headers.authorization ?? "").replace("Basic ", ""), "base64").toString().split(":").map(part => decodeURIComponent(part.replaceAll("+", " ")));
    if (id !== CLIENT || secret !== SECRET) return {error: "invalid_client"};
    const asked = codes.get(form.get("code"));
    codes.delete(form.get("code"));
    const challenge = createHash("sha256").update(form.get("code_verifier") ?? "").digest("base64url");
    if (!asked || asked.redirect_uri !== form.get("redirect_uri") || !timingSafeEqual(Buffer.from(challenge), Buffer.from(asked.code_challenge.padEnd(challenge.length)))) return {error: "invalid_grant"};
    ++provider.exchanged;
    const now = Math.floor(Date.now() / 1000);
    const claims = {iss: provider.url, aud: CLIENT, sub: `subject-${asked.name}`, exp: now + 300, iat: now, nonce: asked.nonce, name: asked.name, email: people[asked.name], email_verified: true};
    const {claims: changed = {}, key: other = key} = provider.mischief ?? {};
    provider.mischief = null;
    return {access_token: "x", token_type: "Bearer", id_token: sign({...claims, ...changed}, other)};
  };
  const server = http.createServer((request, response) => {
    const at = new URL(request.url, provider.url);
    const asked = Object.fromEntries(at.searchParams);
    if (at.pathname === "/.well-known/openid-configuration") {
      return json(response, {issuer: provider.url, authorization_endpoint: `${provider.url}/authorize`, token_endpoint: `${provider.url}/token`, jwks_uri: `${provider.url}/keys`});
    }
    if (at.pathname === "/keys") return json(response, {keys: [key.jwk]});
    if (at.pathname === "/authorize") {
      told.push(asked);
      response.writeHead(200, {"Content-Type": "text/html"});
      return response.end(`<h1>Who are you?</h1>${[...Object.keys(people), "Nobody"].map(name => `<p><a href="/choose?${new URLSearchParams({...asked, name})}">${name}</a></p>`).join("")}`);
    }
    if (at.pathname === "/choose") {
      const code = randomUUID(), back = new URL(asked.redirect_uri);
      codes.set(code, asked);
      back.search = new URLSearchParams(asked.name === "Nobody" ? {error: "access_denied", state: asked.state} : {code, state: asked.state, iss: provider.url});
      response.writeHead(303, {Location: back.href});
      return response.end();
    }
    let body = "";
    request.on("data", bytes => { body += bytes; });
    request.on("end", () => {
      const answer = at.pathname === "/token" && request.method === "POST" ? tokenFor(request, new URLSearchParams(body)) : {error: "not_found"};
      json(response, answer, answer.error ? 400 : 200);
    });
  });
  await new Promise(done => server.listen(0, "127.0.0.1", done));
  provider.url = `http://127.0.0.1:${server.address().port}`;
  provider.close = () => new Promise(done => { server.closeAllConnections(); server.close(done); });
  return provider;
}

export async function oidc(world) {
  const provider = await startProvider();
  world.onClose(provider.close);
  const {server, admin} = await world.members({}, () => ["--oidc-issuer", provider.url, "--oidc-client-id", CLIENT, "--oidc-name", "The Town's", "--oidc-domain", "town.example"],
    {LOQUAT_OIDC_CLIENT_SECRET: SECRET});
  // Goes through the provider as `name`, in a browser of their own; → the person, wherever that led.
  const comeAs = async (name, person) => {
    const somebody = person ?? await world.person(server, name);
    await somebody.go("/");
    await somebody.page.getByRole("link", {name: "Sign in with The Town's"}).click();
    await somebody.page.getByRole("heading", {name: "Who are you?"}).waitFor();
    await somebody.page.getByRole("link", {name, exact: true}).click();
    return somebody;
  };

  await steps("oidc", [
    ["the sign-in asks for what it must", async () => {
      const eve = await comeAs("Eve");
      await eve.page.getByText("There is no account for you here yet. Ask for an invitation.").waitFor();
      const [asked] = provider.told;
      check(asked.response_type === "code" && asked.client_id === CLIENT && asked.code_challenge_method === "S256" && asked.code_challenge.length === 43, `code with PKCE: ${JSON.stringify(asked)}`);
      check(asked.redirect_uri === `${server.url}/api/app/oidc/return` && asked.state.length > 20 && asked.nonce.length > 20 && /openid/.test(asked.scope), "return address, state, nonce, scope");
    }],
    ["whoever is invited comes in, and again; a domain's people need no invitation", async () => {
      await admin.go("/people/invitations");
      await admin.page.getByLabel(/^E-mail/).fill("nia@example.org");
      await admin.page.getByRole("checkbox", {name: /^Labeler/}).check();
      await admin.page.getByRole("button", {name: "Make the link"}).click();
      await admin.page.getByLabel("The invitation's link").waitFor();
      const nia = await comeAs("Nia");
      await nia.page.getByText("Signed in as Nia").waitFor();
      await nia.page.getByText("May people of this team learn from your chats?").waitFor();
      await nia.page.getByRole("link", {name: "Studio"}).waitFor();
      await nia.page.getByRole("button", {name: "Sign out"}).click();
      await comeAs("Nia", nia);
      await nia.page.getByText("Signed in as Nia").waitFor();
      const tom = await comeAs("Tom");
      await tom.page.getByText("Signed in as Tom").waitFor();
      check(await tom.page.getByRole("link", {name: "Studio"}).count() === 0, "as a user, no more");
      const {people} = await admin.get("/people");
      check(people.map(p => p.name).sort().join() === "Ada,Nia,Tom", `accounts: ${people.map(p => p.name)}`);
    }],
    ["who may not is told why", async () => {
      const nobody = await comeAs("Nobody");
      await nobody.page.getByText("The provider did not let you sign in.").waitFor();
      const ada = await comeAs("Ada"); // has a password here: the provider's word does not open that account
      await ada.page.getByText("Another account has your e-mail address.").waitFor();
      const {people} = await admin.get("/people");
      await admin.api("PATCH", `/people/${people.find(p => p.name === "Tom").id}`, {disabled: true});
      const tom = await comeAs("Tom");
      await tom.page.getByText("Your account is disabled.").waitFor();
    }],
    ["a token that is not the provider's, or of another sign-in, lets nobody in", async () => {
      const mischief = [{key: {...makeKey("k1")}}, {claims: {nonce: "another"}}, {claims: {aud: "somebody-else"}}, {claims: {exp: 1}}, {claims: {iss: "https://elsewhere.example"}}];
      const nia = await world.person(server, "Nia");
      for (const each of mischief) {
        provider.mischief = each;
        await comeAs("Nia", nia);
        await nia.page.getByText("Signing in did not work. Please try again.").waitFor();
      }
      // The provider's answer in a browser that began no sign-in, and a second time.
      await nia.go("/");
      const [answer] = await Promise.all([nia.page.waitForRequest(/oidc\/return/), comeAs("Nia", nia)]);
      await nia.page.getByText("Signed in as Nia").waitFor();
      const before = provider.exchanged;
      const thief = await world.person(server, "Thief");
      await thief.page.goto(answer.url());
      await thief.page.getByText("Signing in did not work. Please try again.").waitFor();
      check(provider.exchanged === before, "its code was not even tried");
    }],
  ]);
}
