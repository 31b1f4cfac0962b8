// Errors as the client's classes, retries, aborting, and a full server.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import OpenAI, { APIUserAbortError, BadRequestError, InternalServerError, NotFoundError, RateLimitError } from 'openai';
import { ask, collect, goOn, metric, model, serve, textOf, until } from './loquat.mjs';

let server, narrow, client;
before(async () => {
  server = await serve();
  client = server.client();
  narrow = await serve({ args: ['--parallel', '1', '--queue', '0'] });
});
after(() => Promise.all([server.stop(), narrow.stop()]));

// A client that counts what it sends.
function counting(target, options) {
  const counts = { requests: 0, headers: [] };
  const fetching = (url, init) => {
    ++counts.requests;
    counts.headers.push(new Headers(init.headers));
    return fetch(url, init);
  };
  return { counts, client: target.client({ fetch: fetching, ...options }) };
}

// A stream that goes on for long, begun; `control` ends it.
async function endless(target, more = {}) {
  const control = new AbortController();
  const stream = await target.client().chat.completions.create(
    { model: 'long', messages: ask, seed: 1, stream: true, logit_bias: goOn, ...more },
    { signal: control.signal });
  const reader = stream[Symbol.asyncIterator]();
  for (let i = 0; i < 3; ++i) assert.equal((await reader.next()).done, false);
  return { control, reader };
}

test('errors: a bad request', async () => {
  await assert.rejects(client.chat.completions.create({ model, messages: ask, temperature: 3 }), (error) => {
    assert.ok(error instanceof BadRequestError);
    assert.equal(error.status, 400);
    assert.equal(error.param, 'temperature');
    assert.equal(error.code, 'invalid_value');
    assert.equal(error.type, 'invalid_request_error');
    assert.match(error.message, /between 0 and 2/);
    assert.match(error.requestID, /^req_/);
    return true;
  });
});

test('errors: a wrong path', async () => {
  const wrong = server.client({ baseURL: `${server.url}/v2` });
  await assert.rejects(wrong.models.list(), (error) => error instanceof NotFoundError);
});

test('errors: a bad request is not sent again', async () => {
  const { counts, client } = counting(server, { maxRetries: 2 });
  await assert.rejects(client.chat.completions.create({ model, messages: [] }), BadRequestError);
  assert.equal(counts.requests, 1);
});

test('errors: a stream that is refused is an error, not a stream', async () => {
  await assert.rejects(client.chat.completions.create({ model: 'x', messages: ask, stream: true }), NotFoundError);
  await assert.rejects(client.responses.create({ model: 'x', input: 'a', stream: true }), NotFoundError);
});

test('errors: a full server says 429, and how long to wait', async () => {
  const running = await endless(narrow);
  await assert.rejects(narrow.client().chat.completions.create({ model: 'long', messages: ask, max_tokens: 2 }),
    (error) => {
      assert.ok(error instanceof RateLimitError, String(error));
      assert.equal(error.code, 'queue_full');
      assert.ok(Number(error.headers.get('retry-after')) > 0);
      assert.ok(Number(error.headers.get('retry-after-ms')) > 0);
      return true;
    });
  const { counts, client } = counting(narrow, { maxRetries: 1 });
  await assert.rejects(client.chat.completions.create({ model: 'long', messages: ask, max_tokens: 2 }),
    RateLimitError);
  assert.equal(counts.requests, 2, 'maxRetries is honoured');
  assert.equal(counts.headers[1].get('x-stainless-retry-count'), '1');
  assert.equal((await running.reader.next()).done, false, 'the running reply goes on');
  running.control.abort();
});

test('errors: a retry gets in when there is room again', async () => {
  await until('room', async () => (await metric(narrow, 'loquat_requests_running')) === 1);
  const running = await endless(narrow);
  const { counts, client } = counting(narrow, { maxRetries: 5 });
  const reply = client.chat.completions.create({ model: 'long', messages: ask, max_tokens: 2 });
  await until('a refusal', () => counts.requests > 0);
  await new Promise((resolve) => setTimeout(resolve, 200));
  running.control.abort();
  assert.equal((await reply).choices.length, 1);
  assert.ok(counts.requests > 1, `${counts.requests}`);
});

test('abort: a stream that is let go frees its slot', async () => {
  await until('room', async () => (await metric(narrow, 'loquat_requests_running')) === 1);
  for (let i = 0; i < 3; ++i) {
    const { control, reader } = await endless(narrow);
    control.abort();
    while (!(await reader.next()).done) { /* what had come already */ }
    await until('the slot is free', async () => (await metric(narrow, 'loquat_requests_running')) === 1);
  }
  const reply = await narrow.client().chat.completions.create({ model: 'long', messages: ask, max_tokens: 2 });
  assert.equal(reply.choices.length, 1);
  assert.ok(/status="499"/.test(await (await narrow.get('/metrics')).text()), 'it is counted as 499');
});

test('abort: breaking out of the loop does so too', async () => {
  const stream = await narrow.client().chat.completions.create({ model: 'long', messages: ask, stream: true });
  for await (const chunk of stream) if (chunk.choices[0].delta.content) break;
  await until('the slot is free', async () => (await metric(narrow, 'loquat_requests_running')) === 1);
});

test('abort: a whole reply that is no longer waited for', async () => {
  const control = new AbortController();
  const reply = narrow.client().chat.completions.create(
    { model: 'long', messages: ask, logit_bias: goOn }, { signal: control.signal });
  await until('it runs', async () => (await metric(narrow, 'loquat_requests_running')) === 2);
  control.abort();
  await assert.rejects(reply, APIUserAbortError);
  await until('the slot is free', async () => (await metric(narrow, 'loquat_requests_running')) === 1);
});

test('abort: others go on', async () => {
  const request = { model, messages: ask, max_tokens: 200, seed: 9 };
  const alone = (await client.chat.completions.create(request)).choices[0].message.content;
  const runs = await Promise.all(Array.from({ length: 6 }, () => endless(server)));
  const chunks = collect(await client.chat.completions.create({ ...request, stream: true }));
  for (const run of runs) run.control.abort();
  assert.equal(textOf(await chunks), alone);
});

test('crowd: many streams at once, each as alone', async () => {
  const request = (seed) =>
    ({ model, seed, max_tokens: 48, messages: [{ role: 'user', content: `Number ${seed % 5}` }] });
  const seeds = Array.from({ length: 40 }, (_, i) => i);
  const lone = [];
  for (const seed of seeds) lone.push((await client.chat.completions.create(request(seed))).choices[0].message.content);
  const together = await Promise.all(seeds.map(async (seed) =>
    textOf(await collect(await client.chat.completions.create({ ...request(seed), stream: true })))));
  assert.deepEqual(together, lone);
});

test('crowd: JSON, plain and likeliest texts side by side', async () => {
  const schema = { type: 'object', properties: { a: { type: 'string', maxLength: 30 }, b: { type: 'integer' } },
    required: ['a', 'b'], additionalProperties: false };
  const requests = Array.from({ length: 24 }, (_, i) => ({ model, messages: ask, seed: i, max_tokens: 80,
    ...[{}, { temperature: 0 }, { frequency_penalty: 1, logprobs: true, top_logprobs: 2 },
      { response_format: { type: 'json_schema', json_schema: { name: 's', schema } } }][i % 4] }));
  const lone = [];
  for (const one of requests) lone.push((await client.chat.completions.create(one)).choices);
  const together = await Promise.all(requests.map(async (one) =>
    (await client.chat.completions.create(one)).choices));
  assert.deepEqual(together, lone);
});

test('errors: a deadline', async () => {
  const late = await serve({ args: ['--deadline', '0.2'] });
  try {
    const request = { model: 'long', messages: ask, logit_bias: goOn };
    const { counts, client } = counting(late, { maxRetries: 2 });
    await assert.rejects(client.chat.completions.create(request), (error) => {
      assert.ok(error instanceof InternalServerError, String(error));
      assert.equal(error.status, 504);
      return true;
    });
    assert.equal(counts.requests, 1, 'it would take as long again');
    const stream = await late.client().chat.completions.create({ ...request, stream: true });
    await assert.rejects(collect(stream), (error) => {
      assert.ok(error instanceof OpenAI.APIError);
      assert.equal(error.code, 'deadline_exceeded');
      return true;
    });
  } finally {
    await late.stop();
  }
});

test('the end: running streams finish within the grace, and new ones are not taken', async () => {
  const ending = await serve();
  const { reader } = await endless(ending, { max_tokens: 1000 });
  const stopped = ending.stop();
  await until('it takes no more', async () => {
    try {
      return !(await ending.get('/ready')).ok;
    } catch {
      return true;
    }
  });
  let last;
  for (let one = await reader.next(); !one.done; one = await reader.next()) last = one.value;
  assert.equal(last.choices[0].finish_reason, 'length');
  assert.equal(await stopped, 0);
});
