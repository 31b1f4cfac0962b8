// Models, the server's state, and /openapi.json.
import assert from 'node:assert/strict';
import { cpSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { InternalServerError, NotFoundError } from 'openai';
import { ask, collect, errorOf, goOn, metric, model, serve } from './loquat.mjs';

let server, client;
before(async () => {
  server = await serve();
  client = server.client();
});
after(() => server.stop());

test('models: list and retrieve', async () => {
  const models = await collect(client.models.list());
  assert.deepEqual(models.map((m) => m.id).sort(), ['long', 'talker', 'vectors']);
  for (const one of models) {
    assert.equal(one.object, 'model');
    assert.ok(Number.isInteger(one.created) && one.created > 0);
    assert.equal(typeof one.owned_by, 'string');
    assert.deepEqual(await client.models.retrieve(one.id), one);
  }
});

test('models: none of that name', async () => {
  for (const id of ['nothing', '../talker', 'talker/', 'models/talker', '']) {
    await assert.rejects(client.chat.completions.create({ model: id, messages: ask }), (error) => {
      assert.ok(error instanceof NotFoundError, String(error));
      assert.equal(error.code, 'model_not_found');
      assert.equal(error.param, 'model');
      return true;
    });
  }
  await assert.rejects(client.models.retrieve('nothing'), (error) => {
    assert.ok(error instanceof NotFoundError);
    assert.equal(error.code, 'model_not_found');
    return true;
  });
  await errorOf(await server.get('/v1/models/..%2ftalker'), 404);
});

test('models: deleting one is not for clients', async () => {
  await assert.rejects(client.models.delete(model), (error) => error.status === 405);
});

test('models: loaded and unloaded while serving', async () => {
  const loaded = async () => (await client.models.retrieve(model)).loaded;
  const post = async (what) => {
    const response = await server.post(`/admin/models/${model}/${what}`, {});
    assert.equal(response.status, 200);
    return response.json();
  };
  assert.deepEqual(await post('load'), { id: model, object: 'model', loaded: true });
  assert.equal(await loaded(), true);
  const request = { model, messages: ask, max_tokens: 300, seed: 1, logit_bias: goOn };
  const alone = await client.chat.completions.create(request);
  const running = await client.chat.completions.create({ ...request, stream: true });
  const reader = running[Symbol.asyncIterator]();
  await reader.next();
  assert.deepEqual(await post('unload'), { id: model, object: 'model', loaded: false });
  assert.equal(await loaded(), false);
  let text = '';
  for (let one = await reader.next(); !one.done; one = await reader.next()) {
    text += one.value.choices[0].delta.content ?? '';
  }
  assert.equal(text, alone.choices[0].message.content, 'a running reply is not cut');
  const again = await client.chat.completions.create(request);
  assert.deepEqual(again.choices, alone.choices, 'the next use loads it again');
  assert.equal(await loaded(), true);
  await errorOf(await server.post('/admin/models/nothing/load', {}), 404);
  await errorOf(await server.post('/admin/models/nothing/unload', {}), 404);
});

test('models: one that cannot be loaded', async () => {
  const broken = join(process.env.LOQUAT_MODELS, 'models', 'broken');
  cpSync(join(process.env.LOQUAT_MODELS, 'models', model), broken, { recursive: true });
  truncateSync(join(broken, 'model.safetensors'), 1000);
  try {
    await assert.rejects(client.chat.completions.create({ model: 'broken', messages: ask }), (error) => {
      assert.ok(error instanceof InternalServerError, String(error));
      assert.equal(error.status, 500);
      assert.ok(!error.message.includes(process.env.LOQUAT_MODELS), 'no path of the server');
      return true;
    });
  } finally {
    rmSync(broken, { recursive: true });
  }
});

test('server: health, ready, metrics, openapi.json', async () => {
  assert.deepEqual(await (await server.get('/health')).json(), { status: 'ok' });
  assert.deepEqual(await (await server.get('/ready')).json(), { status: 'ready' });
  const before = await metric(server, 'loquat_tokens_total{kind="completion",model="talker"}');
  await client.chat.completions.create({ model, messages: ask, max_tokens: 7 });
  const metrics = await server.get('/metrics');
  assert.match(metrics.headers.get('content-type'), /^text\/plain; version=0\.0\.4/);
  const text = await metrics.text();
  assert.match(text, /^loquat_requests_total\{[^}]*route="\/v1\/chat\/completions"[^}]*\} \d+$/m);
  assert.match(text, /^# TYPE loquat_request_duration_seconds histogram$/m);
  const after = await metric(server, 'loquat_tokens_total{kind="completion",model="talker"}');
  assert.ok(after > before || before === 0, `${before} ${after}`);
});

test('server: openapi.json names every route', async () => {
  const response = await server.get('/openapi.json');
  assert.match(response.headers.get('content-type'), /^application\/json/);
  const api = await response.json();
  assert.match(api.openapi, /^3\./);
  for (const path of ['/v1/chat/completions', '/v1/completions', '/v1/embeddings', '/v1/responses', '/v1/models',
    '/v1/models/{model}', '/tokenize', '/detokenize', '/health', '/ready', '/metrics', '/admin/models/{model}/load',
    '/admin/models/{model}/unload']) {
    assert.ok(api.paths[path], path);
  }
});

test('server: HEAD, unknown paths and other methods', async () => {
  const head = await fetch(`${server.url}/v1/models`, { method: 'HEAD' });
  assert.equal(head.status, 200);
  assert.equal(await head.text(), '');
  assert.equal((await errorOf(await server.get('/v1/nothing'), 404)).type, 'invalid_request_error');
  const wrong = await server.get('/v1/chat/completions');
  assert.equal(wrong.headers.get('allow'), 'POST');
  await errorOf(wrong, 405);
});

test('server: every answer has an id of its own', async () => {
  const ids = new Set();
  for (const path of ['/v1/models', '/health', '/v1/nothing']) {
    ids.add((await server.get(path)).headers.get('x-request-id'));
  }
  assert.equal(ids.size, 3);
  assert.ok(!ids.has(null));
});
