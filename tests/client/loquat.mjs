// A real `loquat serve` for the tests, and small things that several of them use. $LOQUAT_PROGRAM is the program and
// $LOQUAT_MODELS a folder with models/talker, vectors and long (run.sh makes them). Every test file starts its own.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import OpenAI from 'openai';

export const model = 'talker';
// A logit_bias that forbids the model's control tokens: its text has as many tokens as are asked for.
export const goOn = Object.fromEntries(
  JSON.parse(readFileSync(`${process.env.LOQUAT_MODELS}/models/${model}/tokenizer.json`, 'utf8'))
    .added_tokens.map(({ id }) => [id, -100]));
export const ask = [{ role: 'user', content: 'When does the bakery open?' }];

// Starts a server on a free port; `start.args` go to it as they are. Ends it with stop().
export async function serve({ args = [], env = {} } = {}) {
  const command = ['serve', process.env.LOQUAT_MODELS, '--port', '0', '--embeddings', 'vectors:mean', ...args];
  const child = spawn(process.env.LOQUAT_PROGRAM, command, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, LOQUAT_DATABASE: '', ...env },
  });
  const server = { log: '', child };
  const ended = new Promise((resolve) => child.on('exit', (code, signal) => resolve(signal ?? code)));
  await new Promise((resolve, reject) => {
    child.stderr.setEncoding('utf8');
    child.stderr.on('data', (text) => {
      server.log += text;
      const found = server.log.match(/ at (http:\/\/[^ ]*:(\d+)) /);
      if (!found) return;
      server.url = found[1].replace('localhost', '127.0.0.1');
      server.port = Number(found[2]);
      resolve();
    });
    ended.then((how) => reject(new Error(`loquat serve ended (${how}): ${server.log}`)));
  });
  let stopping = false;
  ended.then((how) => {
    if (!stopping) console.error(`loquat serve ended by itself (${how}): ${server.log.slice(-4000)}`);
  });
  server.stop = async (signal = 'SIGTERM') => {
    stopping = true;
    child.kill(signal);
    return ended;
  };
  server.client = (options = {}) =>
    new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'any', maxRetries: 0, timeout: 60_000, ...options });
  server.get = (path, headers = {}) => fetch(server.url + path, { headers });
  server.post = (path, body, headers = {}) =>
    fetch(server.url + path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...headers },
      body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body),
    });
  return server;
}

export const loquat = (...args) =>
  execFileSync(process.env.LOQUAT_PROGRAM, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

export async function collect(stream) {
  const all = [];
  for await (const one of stream) all.push(one);
  return all;
}

export const textOf = (chunks, choice = 0) =>
  chunks.flatMap((c) => c.choices.filter((one) => one.index === choice)).map((c) => c.delta.content ?? '').join('');

// The events of a stream as they are on the wire: [{event, data}], data parsed except for [DONE].
export function events(text) {
  assert.ok(text.endsWith('\n\n'), 'a stream ends with an empty line');
  return text.slice(0, -2).split('\n\n').filter((block) => !block.split('\n').every((line) => line.startsWith(':')))
    .map((block) => {
      const fields = {};
      for (const line of block.split('\n')) {
        if (line.startsWith(':')) continue;
        const [, name, value] = line.match(/^(event|data): (.*)$/);
        assert.ok(!(name in fields), 'one line of a kind in an event');
        fields[name] = value;
      }
      return { event: fields.event, data: fields.data === '[DONE]' ? '[DONE]' : JSON.parse(fields.data) };
    });
}

// An error's answer, as all must be: its status, and the object with four fields.
export async function errorOf(response, status) {
  const text = await response.text();
  assert.equal(response.status, status, text);
  assert.match(response.headers.get('content-type'), /^application\/json/);
  return errorObject(JSON.parse(text));
}

export function errorObject(body) {
  assert.deepEqual(Object.keys(body), ['error']);
  assert.deepEqual(Object.keys(body.error).sort(), ['code', 'message', 'param', 'type']);
  assert.equal(typeof body.error.message, 'string');
  assert.equal(typeof body.error.type, 'string');
  return body.error;
}

// Sends bytes as they are and gives all that came back until the server closed, or `quiet` ms passed without more.
export function raw(port, bytes, { quiet = 0, end = false } = {}) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    let got = '';
    socket.setEncoding('latin1');
    socket.on('data', (text) => (got += text));
    socket.on('error', () => resolve(got));
    socket.on('close', () => resolve(got));
    if (quiet > 0) socket.setTimeout(quiet, () => socket.destroy());
    socket.write(bytes);
    if (end) socket.end();
  });
}

// Waits until it holds; says what did not.
export async function until(what, holds, seconds = 20) {
  const end = Date.now() + 1000 * seconds;
  while (!(await holds())) {
    assert.ok(Date.now() < end, `${what}: not within ${seconds} s`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

// The value of one of /metrics' lines, 0 where it is not there.
export async function metric(server, name, headers = {}) {
  const text = await (await server.get('/metrics', headers)).text();
  const line = text.split('\n').find((one) => one.startsWith(`${name} `) || one.startsWith(`${name}{`));
  return line ? Number(line.slice(line.lastIndexOf(' ') + 1)) : 0;
}

// Whether a value fits a JSON schema of the keywords that the tests use.
export function fits(value, schema) {
  if (schema.enum && !schema.enum.some((one) => one === value)) return false;
  if ('const' in schema && schema.const !== value) return false;
  if (schema.anyOf) return schema.anyOf.some((one) => fits(value, one));
  switch (schema.type) {
    case 'object': {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
      const known = schema.properties ?? {};
      return (
        (schema.required ?? []).every((name) => name in value) &&
        Object.entries(value).every(([name, v]) =>
          name in known ? fits(v, known[name]) : schema.additionalProperties !== false)
      );
    }
    case 'array':
      return (
        Array.isArray(value) && value.length >= (schema.minItems ?? 0) &&
        value.length <= (schema.maxItems ?? Infinity) && value.every((one) => fits(one, schema.items ?? {}))
      );
    case 'string': {
      if (typeof value !== 'string') return false;
      const length = [...value].length;
      return (
        length <= (schema.maxLength ?? Infinity) && length >= (schema.minLength ?? 0) &&
        (!schema.pattern || new RegExp(schema.pattern, 'u').test(value))
      );
    }
    case 'integer':
    case 'number':
      return (
        typeof value === 'number' && (schema.type === 'number' || Number.isInteger(value)) &&
        value >= (schema.minimum ?? -Infinity) && value <= (schema.maximum ?? Infinity)
      );
    case 'boolean':
      return typeof value === 'boolean';
    case 'null':
      return value === null;
    default:
      return true;
  }
}
