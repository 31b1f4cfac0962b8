// A server of the page's API (docs/page-api.md) in memory, for development and the end-to-end tests. Node alone. Each area has a
// file in fake/ that adds its rows. startFake() gives the tests the world itself, to look into and to break.
//   node test/fake-server.mjs [--team] [--port N]     then LOQUAT_SERVER=http://127.0.0.1:N npm run dev, or open it (after a build)
import http from "node:http";
import {readFile} from "node:fs/promises";
import path from "node:path";
import {fileURLToPath} from "node:url";
import {Fail, makeWorld, sessionOf} from "./fake/core.mjs";
import {addChat} from "./fake/chat.mjs";
import {addPeople} from "./fake/people.mjs";
import {addReviews} from "./fake/reviews.mjs";
import {addRun} from "./fake/run.mjs";
import {addStudio} from "./fake/studio.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));
const TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml", ".woff2": "font/woff2", ".json": "application/json"};
// The same policy as src/app/routes.cc.
export const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

function matches(pattern, asked) {
  const want = pattern.split("/"), have = asked.split("/");
  if (want.length !== have.length) return null;
  const params = {};
  for (let i = 0; i < want.length; ++i) {
    if (want[i].startsWith("{")) params[want[i].slice(1, -1)] = decodeURIComponent(have[i]);
    else if (want[i] !== have[i]) return null;
  }
  return params;
}

async function bodyOf(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  const text = Buffer.concat(parts).toString("utf8");
  if (!text) return {};
  try {
    return JSON.parse(text);
  } catch {
    throw new Fail(400, "bad_json", "The body is not JSON.");
  }
}

export async function startFake(options = {}) {
  const world = makeWorld(options);
  const routes = [];
  const route = (method, pattern, rule, handle) => routes.push({method, pattern, rule, handle});
  for (const add of [addPeople, addChat, addStudio, addReviews, addRun]) add(world, route);
  const dist = options.dist ?? process.env.LOQUAT_WEB_DIST ?? path.join(here, "..", "dist");

  async function handle(request, response) {
    const url = new URL(request.url, "http://localhost");
    world.requests.push(`${request.method} ${url.pathname}`);
    if (world.down) return request.socket.destroy();
    const broken = world.breakNext.findIndex(b => b.method === request.method && url.pathname.endsWith(b.path));
    if (broken >= 0) {
      const [{after}] = world.breakNext.splice(broken, 1);
      if (!after) return request.socket.destroy(); // (on a connection that was used before, Chromium asks again by itself)
      // The server does what it was asked; only the answer is lost.
      response.end = () => {
        // Its first bytes do go out: without them Chromium would ask a second time by itself.
        response.write("{");
        setTimeout(() => request.socket.destroy(), 20);
      };
    }
    for (const {method, pattern, rule, handle: run} of routes) {
      const params = method === request.method && matches(pattern, url.pathname);
      if (!params) continue;
      const session = sessionOf(world, request);
      if (rule !== "anyone" && !session) throw new Fail(401, "not_signed_in", "Please sign in.");
      if (Array.isArray(rule) && ![...rule, "admin"].some(role => session.person.roles.includes(role)))
        throw new Fail(403, "forbidden", "Your roles do not let you do this.");
      if (world.mode === "team" && method !== "GET" && session && request.headers["x-loquat-csrf"] !== session.csrf)
        throw new Fail(403, "csrf", "This request did not come from this page.");
      const body = method === "GET" || method === "DELETE" ? {} : await bodyOf(request);
      const answer = await run({request, response, params, query: url.searchParams, body, session, person: session?.person ?? null});
      if (response.headersSent || response.writableEnded) return;
      if (answer === undefined) return response.writeHead(204).end();
      response.writeHead(200, {"Content-Type": "application/json", "Cache-Control": "no-store"}).end(JSON.stringify(answer));
      return;
    }
    if (url.pathname.startsWith("/api/")) throw new Fail(404, "not_found", `There is nothing at ${url.pathname}.`);
    // A page's file, or the page itself for every path of its router.
    const extension = path.extname(url.pathname);
    const file = extension && extension !== ".html" ? path.join(dist, path.normalize(url.pathname)) : path.join(dist, "index.html");
    let bytes;
    try {
      bytes = await readFile(file);
    } catch {
      throw new Fail(404, "not_found", `There is nothing at ${url.pathname}.`);
    }
    response.writeHead(200, {"Content-Type": TYPES[path.extname(file)] ?? "application/octet-stream",
      "Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}).end(bytes);
  }

  const server = http.createServer((request, response) => {
    handle(request, response).catch(error => {
      if (response.headersSent) return response.destroy();
      const fail = error instanceof Fail ? error : new Fail(500, "internal", String(error.stack ?? error));
      if (!(error instanceof Fail)) console.error(error);
      const headers = {"Content-Type": "application/json"};
      if (fail.retryAfter) headers["Retry-After"] = String(fail.retryAfter);
      response.writeHead(fail.status, headers)
        .end(JSON.stringify({error: {message: fail.message, type: "invalid_request_error", param: fail.param, code: fail.code}}));
    });
  });
  await new Promise(resolve => server.listen(options.port ?? 0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`, world,
    close: () => new Promise(resolve => { world.closed = true; server.close(resolve); server.closeAllConnections(); }),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const at = process.argv.indexOf("--port");
  const fake = await startFake({mode: process.argv.includes("--team") ? "team" : "local", port: at > 0 ? Number(process.argv[at + 1]) : 8080,
    recipe: "running", seeded: true});
  console.log(`The fake server listens at ${fake.url}${fake.world.mode === "team" ? " (ann@example.org, password: correct horse)" : ""}`);
}
