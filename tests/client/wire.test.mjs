// What is on the wire, byte for byte where clients depend on it, and what malformed requests get. By hand: the client
// would neither send nor notice these.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ask, errorObject, errorOf, events, goOn, model, raw, serve } from './loquat.mjs';

let server;
before(async () => (server = await serve()));
after(() => server.stop());

const chat = (more) => ({ model, messages: ask, max_tokens: 6, seed: 1, logit_bias: goOn, ...more });
const streamed = async (path, body) => {
  const response = await server.post(path, { ...body, stream: true });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type'), 'text/event-stream');
  return events(await response.text());
};
const head = (length, more = '') =>
  `POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${more}` +
  (length === undefined ? '\r\n' : `Content-Length: ${length}\r\n\r\n`);
const alive = async () => assert.equal((await server.get('/health')).status, 200);
// A raw answer: its status, and the error object where it is one.
const answered = (text) => {
  const status = Number(text.match(/^HTTP\/1\.1 (\d+)/)?.[1]);
  if (status >= 400) errorObject(JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4)));
  return status;
};

test('wire: the order of chunks', async () => {
  const all = await streamed('/v1/chat/completions', chat({ stream_options: { include_usage: true } }));
  assert.ok(all.every((one) => one.event === undefined));
  assert.equal(all.pop().data, '[DONE]');
  const usage = all.pop().data;
  assert.deepEqual(usage.choices, []);
  assert.deepEqual(Object.keys(usage.usage).sort(), ['completion_tokens', 'completion_tokens_details', 'prompt_tokens',
    'prompt_tokens_details', 'total_tokens']);
  const chunks = all.map((one) => one.data);
  for (const chunk of chunks) {
    assert.deepEqual([chunk.id, chunk.created], [usage.id, usage.created]);
    assert.equal(chunk.object, 'chat.completion.chunk');
    assert.equal(chunk.usage, null);
    assert.ok('usage' in chunk);
    assert.equal(chunk.choices.length, 1);
    assert.ok('finish_reason' in chunk.choices[0]);
  }
  assert.deepEqual(chunks[0].choices[0].delta, { role: 'assistant', content: '' });
  const last = chunks.at(-1).choices[0];
  assert.deepEqual(last.delta, {});
  assert.equal(last.finish_reason, 'length');
  for (const { choices } of chunks.slice(1, -1)) {
    assert.deepEqual(Object.keys(choices[0].delta), ['content']);
    assert.equal(choices[0].finish_reason, null);
  }
});

test('wire: without include_usage no chunk has usage', async () => {
  const all = await streamed('/v1/chat/completions', chat());
  assert.ok(all.slice(0, -1).every(({ data }) => !('usage' in data) && data.choices.length === 1));
});

test('wire: completions end with a chunk of their own too', async () => {
  const all = await streamed('/v1/completions', { model, prompt: 'The', max_tokens: 4, logit_bias: goOn });
  assert.equal(all.pop().data, '[DONE]');
  assert.equal(all.at(-1).data.choices[0].finish_reason, 'length');
  assert.ok(all.slice(0, -1).every(({ data }) => data.choices[0].finish_reason === null));
});

test('wire: a stream is not to be cached or buffered, and names its request', async () => {
  const response = await server.post('/v1/chat/completions', chat({ stream: true }));
  assert.match(response.headers.get('cache-control'), /no-cache|no-store/);
  assert.match(response.headers.get('x-request-id'), /^req_/);
  await response.text();
});

test('wire: text comes in whole characters', async () => {
  // Bytes of no language: every token that is one byte above 127 is likelier, so that characters are cut and wrong.
  const { tokens } = await (await server.post('/tokenize', { model, prompt: '€' })).json();
  const logit_bias = { ...goOn, ...Object.fromEntries(tokens.map((id) => [id, 12])) };
  const body = chat({ logit_bias, max_tokens: 60 });
  const whole = await (await server.post('/v1/chat/completions', body)).json();
  const pieces = (await streamed('/v1/chat/completions', body)).slice(0, -1)
    .map(({ data }) => data.choices[0].delta.content ?? '');
  assert.equal(pieces.join(''), whole.choices[0].message.content);
});

test('wire: logprobs of cut characters have their bytes', async () => {
  const { tokens } = await (await server.post('/tokenize', { model, prompt: '€' })).json();
  const logit_bias = { ...goOn, ...Object.fromEntries(tokens.map((id) => [id, 12])) };
  const reply = await (await server.post('/v1/chat/completions', chat({ logit_bias, max_tokens: 30, logprobs: true })))
    .json();
  const { content } = reply.choices[0].logprobs;
  assert.equal(content.length, 30);
  assert.equal(new TextDecoder().decode(Uint8Array.from(content.flatMap((t) => t.bytes))),
    reply.choices[0].message.content);
});

test('wire: numbers at the edges', async () => {
  const bad = [['max_tokens', '-1'], ['max_tokens', '0'], ['max_tokens', '9223372036854775808'], ['max_tokens', '1e30'],
    ['max_tokens', '1.0'], ['n', '0'], ['n', '-1'], ['n', '129'], ['n', '9223372036854775808'],
    ['seed', '9223372036854775808'], ['seed', '1.5'], ['seed', '"1"'], ['temperature', '-0.1'], ['temperature', '2.1'],
    ['temperature', '1e999'], ['temperature', '"hot"'], ['top_p', '-1'], ['top_p', '1.5'], ['top_k', '-1'],
    ['top_k', '9223372036854775808'], ['min_p', '2'], ['frequency_penalty', '3'], ['presence_penalty', '-3'],
    ['top_logprobs', '21'], ['stream', '1'], ['stream', '"true"'], ['logprobs', '1'], ['logit_bias', '[]']];
  for (const [name, value] of bad) {
    const body = `{"model":"${model}","messages":[{"role":"user","content":"a"}],"${name}":${value}}`;
    const error = await errorOf(await server.post('/v1/chat/completions', body), 400);
    assert.equal(error.param, name, `${name}: ${value}`);
  }
  for (const [name, value] of [['seed', '-1'], ['seed', '9223372036854775807'], ['seed', '-9223372036854775808'],
    ['max_tokens', '9223372036854775807'], ['temperature', '0'], ['temperature', '-0.0'], ['temperature', '2'],
    ['top_k', '2147483647']]) {
    const body = `{"model":"${model}","messages":[{"role":"user","content":"a"}],` +
      `${name === 'max_tokens' ? '"stop":"e",' : '"max_completion_tokens":2,'}"${name}":${value}}`;
    const response = await server.post('/v1/chat/completions', body);
    assert.equal(response.status, 200, `${name}: ${value}: ${await response.text()}`);
  }
});

test('wire: what is no JSON', async () => {
  for (const body of ['', ' ', '{', '[]', 'null', '"a"', '{"model":}', '{"a":1}}', "{'a':1}", '{"a":NaN}', '\u0000',
    '{"a":1,}', 'model=talker']) {
    const error = await errorOf(await server.post('/v1/chat/completions', body), 400);
    assert.ok(error.message.length > 0);
  }
});

test('wire: bytes that are no UTF-8, and lone surrogates', async () => {
  const bytes = Buffer.concat([Buffer.from(`{"model":"${model}","messages":[{"role":"user","content":"`),
    Buffer.from([0xff, 0xc3, 0x28]), Buffer.from('"}]}')]);
  await errorOf(await server.post('/v1/chat/completions', new Uint8Array(bytes)), 400);
  for (const text of ['\\ud800', '\\udc00', '\\ud800x', '\\udc00\\ud800', '\\u12']) {
    const body = `{"model":"${model}","messages":[{"role":"user","content":"${text}"}]}`;
    await errorOf(await server.post('/v1/chat/completions', body), 400);
  }
  const pair = `{"model":"${model}","messages":[{"role":"user","content":"\\ud83d\\ude42"}],"max_tokens":1}`;
  assert.equal((await server.post('/v1/chat/completions', pair)).status, 200);
});

test('wire: texts with NUL and control characters come back as they were', async () => {
  const prompt = 'a\u0000b\u0001\t\n\u007f"\\';
  const { tokens } = await (await server.post('/tokenize', { model, prompt })).json();
  assert.equal((await (await server.post('/detokenize', { model, tokens })).json()).prompt, prompt);
});

test('wire: deep JSON', async () => {
  for (const depth of [100, 10_000, 500_000]) {
    await errorOf(await server.post('/v1/chat/completions', '['.repeat(depth)), 400);
    await errorOf(await server.post('/v1/chat/completions', '{"a":'.repeat(depth) + '1' + '}'.repeat(depth)), 400);
  }
  const schema = '{"items":'.repeat(10_000) + '{}' + '}'.repeat(10_000);
  const body = `{"model":"${model}","messages":[{"role":"user","content":"a"}],"response_format":{"type":"json_schema",` +
    `"json_schema":{"name":"s","schema":${schema}}}}`;
  await errorOf(await server.post('/v1/chat/completions', body), 400);
});

test('wire: a hundred megabytes are refused early', async () => {
  const answer = await raw(server.port, head(100_000_000));
  assert.equal(answered(answer), 413);
  await alive();
});

test('wire: too many and too long headers', async () => {
  const many = Array.from({ length: 10_000 }, (_, i) => `X-${i}: y\r\n`).join('');
  for (const more of [many, `X-Long: ${'y'.repeat(100_000)}\r\n`]) {
    const text = await raw(server.port, head(2, more) + '{}', { quiet: 5000 });
    assert.ok(text === '' || [400, 431].includes(answered(text)), text.slice(0, 100));
  }
  await alive();
});

test('wire: a request that is cut off, and a chunked body without an end', async () => {
  await raw(server.port, head(100) + '{"model"', { end: true, quiet: 2000 });
  await raw(server.port, head(undefined, 'Transfer-Encoding: chunked\r\n') + '5\r\n{"mod\r\n', { end: true, quiet: 2000 });
  await raw(server.port, 'POST /v1/chat', { end: true, quiet: 2000 });
  const text = await raw(server.port, head(undefined, 'Transfer-Encoding: chunked\r\n') + 'zz\r\n', { quiet: 2000 });
  assert.equal(answered(text), 400);
  await alive();
});

test('wire: a chunked body is read', async () => {
  const body = JSON.stringify(chat());
  const half = [body.slice(0, 20), body.slice(20)].map((s) => `${s.length.toString(16)}\r\n${s}\r\n`).join('');
  const text = await raw(server.port,
    head(undefined, 'Transfer-Encoding: chunked\r\nConnection: close\r\n') + half + '0\r\n\r\n');
  assert.equal(answered(text), 200);
});

test('wire: both lengths, two lengths and other smuggling', async () => {
  for (const more of ['Transfer-Encoding: chunked\r\nContent-Length: 3\r\n', 'Content-Length: 3\r\nContent-Length: 4\r\n',
    'Content-Length: -1\r\n', 'Content-Length: 0x3\r\n', 'Transfer-Encoding: gzip, chunked\r\n', ' X: y\r\n']) {
    const text = await raw(server.port, head(undefined, more) + '{}\n', { quiet: 3000 });
    assert.ok(text === '' || [400, 411, 501].includes(answered(text)), `${more}: ${text.slice(0, 80)}`);
  }
  await alive();
});

test('wire: a local server answers no website', async () => {
  const json = { 'Content-Type': 'application/json' };
  const status = async (headers) =>
    answered(await raw(server.port, `POST /v1/chat/completions HTTP/1.1\r\n` +
      Object.entries({ Host: 'localhost', Connection: 'close', 'Content-Length': 2, ...headers })
        .map(([k, v]) => `${k}: ${v}\r\n`).join('') + '\r\n{}'));
  assert.equal(await status(json), 400);
  assert.equal(await status({ ...json, Host: 'evil.example' }), 403);
  assert.equal(await status({ ...json, Host: 'localhost.evil.example:8080' }), 403);
  assert.equal(await status({ ...json, Origin: 'https://evil.example' }), 403);
  assert.equal(await status({ ...json, Origin: 'null' }), 403);
  assert.equal(await status({ ...json, Origin: `http://localhost:${server.port}` }), 400);
  assert.equal(await status({ ...json, 'Sec-Fetch-Site': 'cross-site' }), 403);
  assert.equal(await status({ 'Content-Type': 'text/plain' }), 415);
  assert.equal(await status({}), 415);
});

test('wire: much at once is refused, or done', async () => {
  const response = await server.post('/v1/chat/completions', chat({ n: 128, max_tokens: 100_000_000 }));
  if (response.status === 200) {
    const reply = await response.json();
    assert.equal(reply.choices.length, 128);
  } else {
    assert.ok([400, 429].includes(response.status));
    errorObject(await response.json());
  }
  await alive();
});

test('wire: keys given twice, and long names in errors', async () => {
  const long = 'x'.repeat(100_000);
  const error = await errorOf(await server.post('/v1/chat/completions', chat({ [long]: 1 })), 400);
  assert.ok(error.message.length < 3000 && error.param.length < 3000);
  const model_ = await errorOf(await server.post('/v1/chat/completions', chat({ model: long })), 404);
  assert.ok(model_.message.length < 3000);
});

test('wire: an error in the middle of a multi-byte name is still UTF-8', async () => {
  const name = 'a' + '€'.repeat(2000);
  const text = Buffer.from(await (await server.post('/v1/chat/completions', chat({ model: name }))).arrayBuffer());
  assert.doesNotThrow(() => new TextDecoder('utf-8', { fatal: true }).decode(text));
});

test('wire: several requests on one connection, one after the other', async () => {
  const one = `GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n`;
  const text = await raw(server.port, one + one + one.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'));
  assert.equal(text.match(/HTTP\/1\.1 200/g).length, 3);
});
