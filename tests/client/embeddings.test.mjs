// embeddings, and the two routes of the tokenizer.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { BadRequestError } from 'openai';
import { errorOf, model, serve } from './loquat.mjs';

const dimensions = 64;
let server, client;
before(async () => {
  server = await serve();
  client = server.client();
});
after(() => server.stop());

const create = (more) => client.embeddings.create({ model: 'vectors', input: 'a loaf of bread', ...more });
const refused = (more, param) =>
  assert.rejects(create(more), (error) => {
    assert.ok(error instanceof BadRequestError, String(error));
    assert.equal(error.param, param, error.message);
    return true;
  });
const length = (v) => Math.hypot(...v);
const near = (a, b, what) => a.forEach((x, i) => assert.ok(Math.abs(x - b[i]) < 1e-6, what ?? `${x} and ${b[i]}`));

test("embeddings: base64, the client's default, and float", async () => {
  const reply = await create();
  assert.equal(reply.object, 'list');
  assert.equal(reply.model, 'vectors');
  assert.deepEqual(Object.keys(reply.data[0]).sort(), ['embedding', 'index', 'object']);
  assert.equal(reply.data[0].embedding.length, dimensions);
  assert.ok(Math.abs(length(reply.data[0].embedding) - 1) < 1e-5);
  assert.equal(reply.usage.total_tokens, reply.usage.prompt_tokens);
  near((await create({ encoding_format: 'float' })).data[0].embedding, reply.data[0].embedding);
  const wire = await (await server.post('/v1/embeddings', { model: 'vectors', input: 'a', encoding_format: 'base64' }))
    .json();
  assert.equal(Buffer.from(wire.data[0].embedding, 'base64').length, 4 * dimensions);
});

test('embeddings: a list, token ids and lists of them', async () => {
  const texts = ['bread', 'a much longer text about the ferry', 'tea'];
  const lone = await Promise.all(texts.map(async (input) => (await create({ input })).data[0].embedding));
  const reply = await create({ input: texts });
  assert.deepEqual(reply.data.map((d) => d.index), [0, 1, 2]);
  reply.data.forEach((d, i) => near(d.embedding, lone[i]));
  const ids = await Promise.all(texts.map(async (prompt) =>
    (await (await server.post('/tokenize', { model: 'vectors', prompt })).json()).tokens));
  near((await create({ input: ids[0] })).data[0].embedding, lone[0]);
  (await create({ input: ids })).data.forEach((d, i) => near(d.embedding, lone[i]));
  assert.equal(reply.usage.prompt_tokens, ids.flat().length);
});

test('embeddings: dimensions', async () => {
  const full = (await create()).data[0].embedding;
  const short = (await create({ dimensions: 8 })).data[0].embedding;
  assert.equal(short.length, 8);
  near(short, full.slice(0, 8).map((x) => x / length(full.slice(0, 8))));
  await refused({ dimensions: 0 }, 'dimensions');
  await refused({ dimensions: dimensions + 1 }, 'dimensions');
});

test('embeddings: what is refused', async () => {
  await refused({ model }, 'model');
  await refused({ input: '' }, 'input');
  await refused({ input: [] }, 'input');
  await refused({ input: undefined }, 'input');
  await refused({ input: ['a', ''] }, 'input[1]');
  await refused({ input: [[1], 'a'] }, 'input[1]');
  await refused({ input: 'bread '.repeat(5000) }, 'input');
  await refused({ input: Array(2049).fill('a') }, 'input');
  await refused({ encoding_format: 'hex' }, 'encoding_format');
});

test('embeddings: many at once do not keep others waiting', async () => {
  const input = Array(500).fill('the ferry leaves at nine and the bakery opens at eight. '.repeat(24));
  let done = 0;
  const all = Array.from({ length: 6 }, () => create({ input }).then((reply) => (++done, reply)));
  const chat = client.chat.completions.create({ model, messages: [{ role: 'user', content: 'x' }], max_tokens: 2 });
  assert.equal((await server.get('/health')).status, 200);
  await chat;
  assert.ok(done < 4, 'these two did not stand in line behind all of them');
  for (const reply of await Promise.all(all)) assert.equal(reply.data.length, 500);
  await refused({ input: [...input, ...input] }, 'input');
});

test('embeddings: a model that gives them talks too', async () => {
  const reply = await client.chat.completions.create({ model: 'vectors', messages: [{ role: 'user', content: 'x' }],
    max_tokens: 2 });
  assert.equal(reply.model, 'vectors');
});

test('tokenize and detokenize', async () => {
  const prompt = 'Zwölf Brötchen, 日本 🙂';
  const first = await (await server.post('/tokenize', { model, prompt, return_token_strs: true })).json();
  assert.equal(first.count, first.tokens.length);
  assert.equal(first.max_model_len, 2048);
  assert.equal(first.token_strs.length, first.count);
  const back = await (await server.post('/detokenize', { model, tokens: first.tokens })).json();
  assert.deepEqual(back, { prompt });
  const empty = await (await server.post('/tokenize', { model, prompt: '' })).json();
  assert.deepEqual(empty.tokens, []);
  assert.equal((await (await server.post('/detokenize', { model, tokens: [] })).json()).prompt, '');
});

test('tokenize: control tokens in a text are text', async () => {
  const one = await (await server.post('/tokenize', { model, prompt: '<|end|>' })).json();
  assert.ok(one.count > 1);
});

test('tokenize: messages', async () => {
  const messages = [{ role: 'user', content: 'a' }];
  const open = await (await server.post('/tokenize', { model, messages })).json();
  const closed = await (await server.post('/tokenize', { model, messages, add_generation_prompt: false })).json();
  assert.deepEqual(open.tokens.slice(0, closed.count), closed.tokens);
  assert.equal(open.count, closed.count + 1);
});

test('tokenize: what is refused', async () => {
  const refusedWith = async (path, body, param) =>
    assert.equal((await errorOf(await server.post(path, body), 400)).param, param);
  await refusedWith('/tokenize', { model }, 'prompt');
  await refusedWith('/tokenize', { prompt: 'a' }, 'model');
  await refusedWith('/tokenize', { model, prompt: 'a', messages: [] }, 'prompt');
  await refusedWith('/tokenize', { model, prompt: 7 }, 'prompt');
  await refusedWith('/detokenize', { model }, 'tokens');
  await refusedWith('/detokenize', { model, tokens: [99999999] }, 'tokens');
  await refusedWith('/detokenize', { model, tokens: ['a'] }, 'tokens');
  assert.equal((await errorOf(await server.post('/tokenize', { model: 'x', prompt: 'a' }), 404)).code,
    'model_not_found');
});
