// completions: prompts in every form, and log-probabilities of prompts, as evaluation harnesses ask for them.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { BadRequestError } from 'openai';
import { collect, goOn, model, serve } from './loquat.mjs';

const prompt = 'The bakery opens at';
let server, client, ids;
before(async () => {
  server = await serve();
  client = server.client();
  ids = (await (await server.post('/tokenize', { model, prompt })).json()).tokens;
});
after(() => server.stop());

const create = (more) => 
  client.completions.create({ model, prompt, max_tokens: 8, seed: 1, logit_bias: goOn, ...more });
const refused = (more, param) =>
  assert.rejects(create(more), (error) => {
    assert.ok(error instanceof BadRequestError, String(error));
    assert.equal(error.param, param, error.message);
    return true;
  });

test('completions: a whole one', async () => {
  const reply = await create();
  assert.match(reply.id, /^cmpl-/);
  assert.equal(reply.object, 'text_completion');
  assert.equal(reply.model, model);
  assert.deepEqual(Object.keys(reply.choices[0]).sort(), ['finish_reason', 'index', 'logprobs', 'text']);
  assert.equal(reply.choices[0].finish_reason, 'length');
  assert.equal(reply.choices[0].logprobs, null);
  assert.equal(reply.usage.prompt_tokens, ids.length);
  assert.equal(reply.usage.completion_tokens, 8);
});

test('completions: streamed, with usage', async () => {
  const whole = await create();
  const chunks = await collect(await create({ stream: true, stream_options: { include_usage: true } }));
  const last = chunks.pop();
  assert.deepEqual(last.choices, []);
  assert.equal(last.usage.completion_tokens, 8);
  assert.ok(chunks.every((c) => c.usage === null && c.object === 'text_completion' && c.id === last.id));
  assert.equal(chunks.map((c) => c.choices[0].text).join(''), whole.choices[0].text);
  assert.deepEqual(chunks.map((c) => c.choices[0].finish_reason).filter((f) => f !== null), ['length']);
});

test('completions: token ids are the same prompt', async () => {
  const text = (await create()).choices[0].text;
  assert.equal((await create({ prompt: ids })).choices[0].text, text);
  assert.equal((await create({ prompt: [prompt] })).choices[0].text, text);
  assert.equal((await create({ prompt: [ids] })).choices[0].text, text);
});

test('completions: a list of prompts, and n of each', async () => {
  const prompts = ['The ferry', 'The library', prompt];
  const lone = await Promise.all(prompts.map(async (one) => (await create({ prompt: one })).choices[0].text));
  const reply = await create({ prompt: prompts, n: 2 });
  assert.deepEqual(reply.choices.map((c) => c.index), [0, 1, 2, 3, 4, 5]);
  prompts.forEach((_, i) => assert.equal(reply.choices[2 * i].text, lone[i]));
  assert.equal(reply.usage.completion_tokens, 48);
  const chunks = await collect(await create({ prompt: prompts, n: 2, stream: true }));
  for (let i = 0; i < 6; ++i) {
    const own = chunks.filter((c) => c.choices[0].index === i).map((c) => c.choices[0].text);
    assert.equal(own.join(''), reply.choices[i].text);
  }
});

test('completions: the prompt alone: echo, max_tokens 0 and logprobs', async () => {
  const reply = await create({ echo: true, max_tokens: 0, logprobs: 2 });
  const [choice] = reply.choices;
  assert.equal(choice.text, prompt);
  const { tokens, token_logprobs, top_logprobs, text_offset } = choice.logprobs;
  assert.equal(tokens.length, ids.length);
  assert.equal(tokens.join(''), prompt);
  assert.equal(token_logprobs[0], null);
  assert.equal(top_logprobs[0], null);
  assert.ok(token_logprobs.slice(1).every((x) => x <= 0));
  assert.ok(top_logprobs.slice(1).every((top) => [2, 3].includes(Object.keys(top).length)));
  let at = 0;
  tokens.forEach((token, i) => {
    assert.equal(text_offset[i], at);
    at += token.length;
  });
  assert.equal(reply.usage.completion_tokens, 0);
  assert.equal(choice.finish_reason, 'length');
  const other = await create({ echo: true, max_tokens: 1, logprobs: 2 });
  other.choices[0].logprobs.token_logprobs.slice(1, ids.length).forEach((x, i) =>
    assert.ok(Math.abs(x - token_logprobs[i + 1]) < 1e-6));
});

test('completions: echo with a reply, and streamed', async () => {
  const plain = await create({ logprobs: 0 });
  const whole = await create({ echo: true, logprobs: 1 });
  assert.equal(whole.choices[0].text, prompt + plain.choices[0].text);
  assert.equal(whole.choices[0].logprobs.tokens.length, ids.length + 8);
  assert.deepEqual(whole.choices[0].logprobs.token_logprobs.slice(ids.length),
    plain.choices[0].logprobs.token_logprobs);
  assert.equal(plain.choices[0].logprobs.text_offset[0], prompt.length);
  const chunks = await collect(await create({ echo: true, logprobs: 1, stream: true }));
  assert.equal(chunks.map((c) => c.choices[0].text).join(''), whole.choices[0].text);
  const joined = (name) => chunks.flatMap((c) => c.choices[0].logprobs?.[name] ?? []);
  for (const name of ['tokens', 'token_logprobs', 'text_offset']) {
    assert.deepEqual(joined(name), whole.choices[0].logprobs[name], name);
  }
});

test('completions: echo without logprobs, max_tokens 0, of several prompts', async () => {
  const reply = await create({ prompt: ['one', 'two'], echo: true, max_tokens: 0 });
  assert.deepEqual(reply.choices.map((c) => c.text), ['one', 'two']);
  const chunks = await collect(await create({ prompt: ['one', 'two'], echo: true, max_tokens: 0, stream: true }));
  assert.deepEqual(chunks.filter((c) => c.choices[0].text).map((c) => c.choices[0].text).sort(), ['one', 'two']);
  const none = await create({ max_tokens: 0 });
  assert.equal(none.choices[0].text, '');
});

test('completions: stop sequences and logit_bias', async () => {
  const [e] = (await (await server.post('/tokenize', { model, prompt: 'e' })).json()).tokens;
  assert.equal((await create({ logit_bias: { [e]: 100 }, max_tokens: 4 })).choices[0].text, 'eeee');
  const stopped = await create({ logit_bias: { [e]: 100 }, max_tokens: 40, stop: 'eee' });
  assert.equal(stopped.choices[0].text, '');
  assert.equal(stopped.choices[0].finish_reason, 'stop');
});

test('completions: 16 tokens by default', async () => {
  assert.equal((await create({ max_tokens: undefined })).usage.completion_tokens, 16);
});

test('completions: what is refused', async () => {
  await refused({ prompt: undefined }, 'prompt');
  await refused({ prompt: '' }, 'prompt');
  await refused({ prompt: [] }, 'prompt');
  await refused({ prompt: 7 }, 'prompt');
  await refused({ prompt: [-1] }, 'prompt');
  await refused({ prompt: [1.5] }, 'prompt');
  await refused({ prompt: [99999999] }, 'prompt');
  await refused({ prompt: ['a', 7] }, 'prompt[1]');
  await refused({ prompt: ['a', ''] }, 'prompt[1]');
  await refused({ max_tokens: -1 }, 'max_tokens');
  await refused({ max_tokens: 100000 }, 'max_tokens');
  await refused({ prompt: 'bread '.repeat(5000) }, 'prompt');
  await refused({ logprobs: 6 }, 'logprobs');
  await refused({ logprobs: true }, 'logprobs');
  await refused({ n: 0 }, 'n');
  await refused({ n: 129 }, 'n');
  await refused({ best_of: 2 }, 'best_of');
  await refused({ suffix: 'x' }, 'suffix');
  await refused({ prompt: Array(2049).fill('a') }, 'prompt');
});
