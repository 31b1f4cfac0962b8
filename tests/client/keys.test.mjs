// A server with keys: who comes in, limits and quotas.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { AuthenticationError, PermissionDeniedError, RateLimitError } from 'openai';
import { ask, errorOf, loquat, model, serve, until } from './loquat.mjs';

const folder = mkdtempSync(join(tmpdir(), 'loquat-keys-'));
const database = join(folder, 'keys.db');
const makeKey = (name, ...more) => loquat('keys', 'create', name, '--database', database, ...more).trim();
let server, admin, member;
before(async () => {
  admin = makeKey('boss', '--admin');
  member = makeKey('ann');
  server = await serve({ args: ['--database', database] });
});
after(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true });
});

const client = (apiKey, options) => server.client({ apiKey, ...options });
const say = (apiKey, more, options) =>
  client(apiKey, options).chat.completions.create({ model, messages: ask, max_tokens: 4, ...more }, options);
const bearer = (key) => ({ Authorization: `Bearer ${key}` });

test('keys: a good one comes in, as a client sends it', async () => {
  assert.match(member, /^lq-/);
  assert.equal((await say(member)).choices.length, 1);
  assert.ok((await client(member).models.list()).data.length > 0);
});

test('keys: a wrong one, or none, is an AuthenticationError', async () => {
  for (const key of ['lq-wrong', `${member}x`, 'sk-1234', member.slice(0, -1)]) {
    await assert.rejects(say(key), (error) => {
      assert.ok(error instanceof AuthenticationError, String(error));
      assert.equal(error.status, 401);
      assert.equal(error.code, 'invalid_api_key');
      assert.ok(!error.message.includes(member));
      return true;
    });
  }
  const none = await server.post('/v1/chat/completions', { model, messages: ask });
  assert.equal(none.headers.get('www-authenticate'), 'Bearer');
  assert.equal((await errorOf(none, 401)).code, 'invalid_api_key');
});

test('keys: health, ready and nothing else without one', async () => {
  assert.equal((await server.get('/health')).status, 200);
  assert.equal((await server.get('/ready')).status, 200);
  for (const path of ['/v1/models', '/metrics', '/openapi.json']) {
    assert.equal((await server.get(path)).status, 401, path);
  }
});

test('keys: metrics, loading and unloading are for admins', async () => {
  assert.equal((await errorOf(await server.get('/metrics', bearer(member)), 403)).type, 'invalid_request_error');
  await errorOf(await server.post(`/admin/models/${model}/unload`, {}, bearer(member)), 403);
  await assert.rejects(client(member).get('/../metrics'), PermissionDeniedError);
  assert.equal((await server.get('/metrics', bearer(admin))).status, 200);
  for (const what of ['unload', 'load']) {
    assert.equal((await server.post(`/admin/models/${model}/${what}`, {}, bearer(admin))).status, 200);
  }
});

test('keys: limits are in the headers', async () => {
  const key = makeKey('limited', '--requests-per-minute', '100', '--tokens-per-minute', '10000');
  await until('the server knows it', async () => (await server.get('/v1/models', bearer(key))).status === 200);
  const { response, data } = await client(key).chat.completions
    .create({ model, messages: ask, max_tokens: 4 }).withResponse();
  const header = (name) => response.headers.get(`x-ratelimit-${name}`);
  assert.equal(header('limit-requests'), '100');
  assert.equal(header('limit-tokens'), '10000');
  assert.equal(header('remaining-requests'), '99');
  assert.ok(Number(header('remaining-tokens')) >= 10000 - data.usage.total_tokens - 4);
  assert.ok(Number(header('remaining-tokens')) < 10000);
  assert.match(header('reset-requests'), /^[\d.]+(ms|s|m|h)/);
  assert.match(header('reset-tokens'), /^[\d.]+(ms|s|m|h)/);
  const unlimited = await client(member).models.list().asResponse();
  assert.equal(unlimited.headers.get('x-ratelimit-limit-requests'), null);
});

test('keys: too many requests', async () => {
  const key = makeKey('hasty', '--requests-per-minute', '2');
  await until('the server knows it', async () => (await server.get('/v1/models', bearer(key))).status === 200);
  await say(key);
  await say(key);
  await assert.rejects(say(key), (error) => {
    assert.ok(error instanceof RateLimitError, String(error));
    assert.equal(error.code, 'rate_limit_exceeded');
    const wait = Number(error.headers.get('retry-after'));
    assert.ok(wait > 0 && wait <= 60, `${wait}`);
    assert.equal(error.headers.get('x-ratelimit-remaining-requests'), '0');
    return true;
  });
  assert.ok((await client(key).models.list()).data.length > 0, 'only requests to models count');
});

test('keys: too many tokens, and a request that could never pass', async () => {
  const key = makeKey('wordy', '--tokens-per-minute', '500');
  await until('the server knows it', async () => (await server.get('/v1/models', bearer(key))).status === 200);
  await assert.rejects(say(key, { max_tokens: 1000 }), (error) => {
    assert.ok(error instanceof RateLimitError, String(error));
    assert.equal(error.headers.get('retry-after'), null);
    return true;
  });
  assert.equal((await say(key, { max_tokens: 10 })).choices.length, 1, 'a refused request took nothing');
});

test('keys: a used-up quota is not worth a retry', async () => {
  const key = makeKey('poor', '--tokens-per-day', '120');
  await until('the server knows it', async () => (await server.get('/v1/models', bearer(key))).status === 200);
  await say(key, { max_tokens: 60 });
  let requests = 0;
  const counted = client(key, { maxRetries: 2, fetch: (...args) => (++requests, fetch(...args)) });
  await assert.rejects(counted.chat.completions.create({ model, messages: ask, max_tokens: 100 }), (error) => {
    assert.ok(error instanceof RateLimitError, String(error));
    assert.equal(error.code, 'insufficient_quota');
    return true;
  });
  assert.equal(requests, 1);
});

test('keys: a revoked one goes out of use', async () => {
  const key = makeKey('gone');
  await until('the server knows it', async () => (await server.get('/v1/models', bearer(key))).status === 200);
  const list = JSON.parse(loquat('keys', 'list', '--json', '--database', database));
  const { id } = list.find((one) => one.name === 'gone');
  loquat('keys', 'revoke', id, '--database', database);
  await until('it is refused', async () => (await server.get('/v1/models', bearer(key))).status === 401);
});

test('keys: usage is counted by key', async () => {
  const reply = await say(member);
  assert.ok(reply.usage.total_tokens > 0);
  await until('usage is written', async () => {
    const usage = loquat('keys', 'usage', '--json', '--database', database);
    return usage.includes('ann');
  });
});

test('keys: without a database, and from elsewhere, the server does not start', async () => {
  await assert.rejects(serve({ args: ['--host', '0.0.0.0'] }), /needs API keys/);
  await assert.rejects(serve({ args: ['--host', '0.0.0.0', '--database', database] }), /--tls-cert/);
});
