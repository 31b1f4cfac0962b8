// chat.completions: what a reply holds, streamed and not.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { BadRequestError } from 'openai';
import { ask, collect, goOn, model, serve, textOf } from './loquat.mjs';

let server, client;
before(async () => {
  server = await serve();
  client = server.client();
});
after(() => server.stop());

const create = (more) => 
  client.chat.completions.create({ model, messages: ask, max_tokens: 12, seed: 1, logit_bias: goOn, ...more });
const refused = (more, param, code) =>
  assert.rejects(create(more), (error) => {
    assert.ok(error instanceof BadRequestError, String(error));
    assert.equal(error.status, 400);
    assert.equal(error.param, param);
    if (code) assert.equal(error.code, code);
    return true;
  });
const tokens = async (body) => (await (await server.post('/tokenize', { model, ...body })).json()).tokens;

test('chat: a whole reply', async () => {
  const reply = await create();
  assert.match(reply.id, /^chatcmpl-[A-Za-z0-9]+$/);
  assert.equal(reply.object, 'chat.completion');
  assert.equal(reply.model, model);
  assert.ok(Math.abs(reply.created - Date.now() / 1000) < 60);
  assert.match(reply._request_id, /^req_/);
  const [choice] = reply.choices;
  assert.deepEqual(Object.keys(choice).sort(), ['finish_reason', 'index', 'logprobs', 'message']);
  assert.equal(choice.index, 0);
  assert.equal(choice.logprobs, null);
  assert.equal(choice.finish_reason, 'length');
  assert.equal(choice.message.role, 'assistant');
  assert.equal(choice.message.refusal, null);
  assert.ok(choice.message.content.length > 0);
  assert.equal(choice.message.tool_calls, undefined);
  assert.equal(reply.usage.completion_tokens, 12);
  assert.equal(reply.usage.prompt_tokens, (await tokens({ messages: ask })).length);
  assert.equal(reply.usage.total_tokens, reply.usage.prompt_tokens + 12);
  assert.ok(reply.usage.prompt_tokens_details.cached_tokens >= 0);
  assert.equal(reply.usage.completion_tokens_details.reasoning_tokens, 0);
});

test('chat: a streamed reply is the whole one in pieces', async () => {
  const whole = await create();
  const chunks = await collect(await create({ stream: true }));
  assert.equal(textOf(chunks), whole.choices[0].message.content);
  assert.equal(new Set(chunks.map((c) => c.id)).size, 1);
  assert.equal(new Set(chunks.map((c) => c.created)).size, 1);
  assert.ok(chunks.every((c) => c.object === 'chat.completion.chunk' && c.model === model));
  assert.ok(chunks.length > 4, 'it comes in pieces');
});

test('chat: usage in the stream', async () => {
  const chunks = await collect(await create({ stream: true, stream_options: { include_usage: true } }));
  const last = chunks.pop();
  assert.deepEqual(last.choices, []);
  assert.equal(last.usage.completion_tokens, 12);
  assert.ok(chunks.every((c) => c.usage === null));
});

test('chat: include_obfuscation is accepted, and stream_options without a stream is not', async () => {
  await collect(await create({ stream: true, stream_options: { include_obfuscation: false } }));
  await refused({ stream_options: { include_usage: true } }, 'stream_options');
});

test('chat: n choices, whole and streamed', async () => {
  const whole = await create({ n: 3 });
  assert.deepEqual(whole.choices.map((c) => c.index), [0, 1, 2]);
  const texts = whole.choices.map((c) => c.message.content);
  assert.equal(new Set(texts).size, 3, 'choices differ');
  assert.equal(whole.usage.completion_tokens, 36);
  assert.equal(texts[0], (await create()).choices[0].message.content, 'the first choice is the lone one');
  const chunks = await collect(await create({ n: 3, stream: true }));
  for (let i = 0; i < 3; ++i) {
    assert.equal(textOf(chunks, i), texts[i]);
    const own = chunks.filter((c) => c.choices[0].index === i).map((c) => c.choices[0]);
    assert.deepEqual(own[0].delta, { role: 'assistant', content: '' });
    assert.deepEqual(own.filter((c) => c.finish_reason !== null), [own.at(-1)]);
    assert.deepEqual(own.at(-1).delta, {});
  }
});

test('chat: the same seed gives the same text, another another', async () => {
  const text = async (seed) => (await create({ seed, max_tokens: 24 })).choices[0].message.content;
  assert.equal(await text(5), await text(5));
  assert.notEqual(await text(5), await text(6));
  assert.equal(await text(-3), await text(-3));
  assert.equal(await text(Number.MAX_SAFE_INTEGER), await text(Number.MAX_SAFE_INTEGER));
});

test('chat: temperature 0 does not depend on the seed, nor top_k 1', async () => {
  const text = async (more) => (await create(more)).choices[0].message.content;
  const likeliest = await text({ temperature: 0, seed: 1 });
  assert.equal(await text({ temperature: 0, seed: 2 }), likeliest);
  assert.equal(await text({ top_k: 1, seed: 3 }), likeliest);
  assert.equal(await text({ top_p: 0, seed: 4 }), likeliest);
  assert.equal(await text({ min_p: 1, seed: 5 }), likeliest);
  for (const temperature of [1e-5, 1e-20, 1e-40, 1e-300]) assert.equal(await text({ temperature }), likeliest);
  assert.equal(await text({ top_p: 1e-300 }), likeliest);
});

test('chat: stop sequences end the text and are not in it', async () => {
  const whole = (await create({ max_tokens: 40 })).choices[0].message.content;
  const stop = whole.slice(9, 11);
  const expected = whole.slice(0, whole.indexOf(stop));
  for (const form of [stop, ['never comes', stop]]) {
    const reply = await create({ max_tokens: 40, stop: form });
    assert.equal(reply.choices[0].message.content, expected);
    assert.equal(reply.choices[0].finish_reason, 'stop');
    const chunks = await collect(await create({ max_tokens: 40, stop: form, stream: true }));
    assert.equal(textOf(chunks), expected);
    assert.equal(chunks.at(-1).choices[0].finish_reason, 'stop');
  }
  assert.equal((await create({ max_tokens: 40, stop: null })).choices[0].message.content, whole);
  assert.equal((await create({ max_tokens: 40, stop: [] })).choices[0].message.content, whole);
  await refused({ stop: ['a', 'b', 'c', 'd', 'e'] }, 'stop');
  await refused({ stop: 7 }, 'stop');
  await refused({ stop: [7] }, 'stop');
});

test('chat: logprobs and top_logprobs', async () => {
  const reply = await create({ logprobs: true, top_logprobs: 3, temperature: 0 });
  const { content, refusal } = reply.choices[0].logprobs;
  assert.equal(refusal, null);
  assert.equal(content.length, 12);
  for (const token of content) {
    assert.equal(token.top_logprobs.length, 3);
    assert.ok(token.logprob <= 0);
    assert.equal(token.logprob, token.top_logprobs[0].logprob, 'temperature 0 takes the likeliest');
    assert.ok(token.top_logprobs[0].logprob >= token.top_logprobs[1].logprob);
  }
  const bytes = Buffer.from(content.flatMap((t) => t.bytes));
  assert.equal(bytes.toString('utf8'), reply.choices[0].message.content);
  const chunks = await collect(
    await create({ logprobs: true, top_logprobs: 3, temperature: 0, stream: true }));
  assert.deepEqual(chunks.flatMap((c) => c.choices[0].logprobs?.content ?? []), content);
  const plain = await create({ logprobs: true });
  assert.ok(plain.choices[0].logprobs.content.every((t) => t.top_logprobs.length === 0));
  const most = await create({ logprobs: true, top_logprobs: 20, max_tokens: 1 });
  assert.equal(most.choices[0].logprobs.content[0].top_logprobs.length, 20);
  await refused({ top_logprobs: 3 }, 'top_logprobs');
  await refused({ logprobs: true, top_logprobs: 21 }, 'top_logprobs');
  await refused({ logprobs: true, top_logprobs: -1 }, 'top_logprobs');
});

test('chat: logit_bias forces a token, and forbids one', async () => {
  const [token] = await tokens({ prompt: 'e' });
  const forced = await create({ logit_bias: { [token]: 100 }, max_tokens: 6 });
  assert.equal(forced.choices[0].message.content, 'eeeeee');
  const first = (await create({ temperature: 0, logprobs: true })).choices[0].logprobs.content[0];
  const id = (await tokens({ prompt: first.token }))[0];
  const without = (await create({ temperature: 0, logprobs: true, logit_bias: { ...goOn, [id]: -100 } })).choices[0];
  assert.notEqual(without.logprobs.content[0].token, first.token);
  await refused({ logit_bias: { [token]: 101 } }, `logit_bias.${token}`);
  await refused({ logit_bias: { 99999999: 1 } }, 'logit_bias');
  await refused({ logit_bias: { x: 1 } }, 'logit_bias');
});

test('chat: the end of the turn gives finish_reason stop', async () => {
  const rendered = await tokens({ messages: [{ role: 'user', content: 'a' }], add_generation_prompt: false });
  const end = rendered.at(-1);
  const reply = await create({ logit_bias: { [end]: 100 } });
  assert.equal(reply.choices[0].finish_reason, 'stop');
  assert.equal(reply.choices[0].message.content, '');
  const chunks = await collect(await create({ logit_bias: { [end]: 100 }, stream: true }));
  assert.equal(chunks.length, 2);
  assert.equal(chunks[1].choices[0].finish_reason, 'stop');
});

test('chat: penalties', async () => {
  const text = async (more) => (await create({ temperature: 0, max_tokens: 60, ...more })).choices[0].message.content;
  const plain = await text({});
  assert.notEqual(await text({ frequency_penalty: 2 }), plain);
  assert.notEqual(await text({ presence_penalty: 2 }), plain);
  assert.equal(await text({ presence_penalty: 0, frequency_penalty: 0 }), plain);
  await refused({ frequency_penalty: 2.5 }, 'frequency_penalty');
  await refused({ presence_penalty: -2.5 }, 'presence_penalty');
});

test('chat: max_completion_tokens goes before max_tokens', async () => {
  assert.equal((await create({ max_completion_tokens: 5, max_tokens: 9 })).usage.completion_tokens, 5);
  assert.equal((await create({ max_completion_tokens: 5, max_tokens: undefined })).usage.completion_tokens, 5);
  await refused({ max_completion_tokens: 0 }, 'max_completion_tokens');
  await refused({ max_tokens: -1 }, 'max_tokens');
  await refused({ max_tokens: 1.5 }, 'max_tokens');
});

test('chat: the context ends a reply, and a prompt over it is refused', async () => {
  const long = [{ role: 'user', content: 'bread '.repeat(640) }];
  const count = (await tokens({ messages: long })).length;
  assert.ok(count < 2048 && count > 1000, String(count));
  const reply = await create({ messages: long, max_tokens: 5000 });
  assert.ok(['length', 'stop'].includes(reply.choices[0].finish_reason));
  assert.ok(reply.usage.total_tokens <= 2048);
  await refused({ messages: [{ role: 'user', content: 'bread '.repeat(5000) }] }, 'messages',
    'context_length_exceeded');
});

test('chat: roles, names and parts of text', async () => {
  const messages = [
    { role: 'developer', content: 'Be brief.' },
    { role: 'user', name: 'ann', content: [{ type: 'text', text: 'When does ' }, { type: 'text', text: 'it open?' }] },
    { role: 'assistant', content: 'At eight.' },
    { role: 'user', content: 'And when does it close?' },
  ];
  const same = [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'When does it open?' },
    ...messages.slice(2)];
  assert.deepEqual((await create({ messages })).choices, (await create({ messages: same })).choices);
});

test("chat: a reply's own message can be sent back, and a refusal", async () => {
  const { message } = (await create()).choices[0];
  const rest = [{ role: 'user', content: 'And on Sunday?' }];
  assert.equal((await create({ messages: [...ask, message, ...rest] })).choices.length, 1);
  const refusal = { role: 'assistant', content: null, refusal: 'No.' };
  const text = { role: 'assistant', content: 'No.' };
  assert.deepEqual((await create({ messages: [...ask, refusal, ...rest] })).choices,
    (await create({ messages: [...ask, text, ...rest] })).choices);
});

test('chat: messages of tools', async () => {
  const call = { id: 'call_1', type: 'function', function: { name: 'hours', arguments: '{"place":"bakery"}' } };
  const messages = [
    ...ask,
    { role: 'assistant', content: null, tool_calls: [call] },
    { role: 'tool', tool_call_id: 'call_1', content: 'Eight to six.' },
  ];
  assert.equal((await create({ messages })).choices.length, 1);
  const parts = [...messages.slice(0, 2),
    { role: 'tool', tool_call_id: 'call_1', content: [{ type: 'text', text: 'Eight to six.' }] }];
  assert.deepEqual((await create({ messages: parts })).choices, (await create({ messages })).choices);
  await refused({ messages: [...messages.slice(0, 2), { role: 'tool', tool_call_id: 'other', content: 'x' }] },
    'messages[2].tool_call_id');
});

test('chat: images and sounds are refused', async () => {
  const parts = [{ type: 'text', text: 'What is this?' }, { type: 'image_url', image_url: { url: 'data:,' } }];
  await refused({ messages: [{ role: 'user', content: parts }] }, 'messages[0].content[1].type', 'unsupported_content');
  const audio = [{ type: 'input_audio', input_audio: { data: '', format: 'wav' } }];
  await refused({ messages: [{ role: 'user', content: audio }] }, 'messages[0].content[0].type', 'unsupported_content');
  await refused({ modalities: ['text', 'audio'] }, 'modalities');
});

test('chat: what is accepted and ignored changes nothing', async () => {
  const plain = await create();
  const more = await create({ store: true, metadata: { a: 'b' }, service_tier: 'auto', user: 'u', modalities: ['text'],
    parallel_tool_calls: true, response_format: { type: 'text' }, top_p: null, n: null });
  assert.deepEqual(more.choices, plain.choices);
});

test('chat: wrong messages', async () => {
  await refused({ messages: [] }, 'messages');
  await refused({ messages: undefined }, 'messages', 'missing_required_parameter');
  await refused({ messages: 'hello' }, 'messages');
  await refused({ messages: [{ role: 'robot', content: 'x' }] }, 'messages[0].role');
  await refused({ messages: [{ role: 'user' }] }, 'messages[0].content');
  await refused({ messages: [{ role: 'user', content: 7 }] }, 'messages[0].content');
  await refused({ messages: ['hello'] }, 'messages[0]');
});

test('chat: unknown fields are named', async () => {
  await refused({ max_tokenz: 3 }, 'max_tokenz', 'unknown_parameter');
  await refused({ functions: [{ name: 'f' }] }, 'functions');
});

test('chat: the stream helper', async () => {
  const whole = await create();
  const runner = client.chat.completions.stream({ model, messages: ask, max_tokens: 12, seed: 1,
    logit_bias: goOn, stream_options: { include_usage: true } });
  let text = '';
  runner.on('content', (delta) => (text += delta));
  const final = await runner.finalChatCompletion();
  assert.equal(text, whole.choices[0].message.content);
  assert.equal(final.choices[0].message.content, text);
  assert.equal(final.choices[0].finish_reason, 'length');
  assert.equal((await runner.totalUsage()).completion_tokens, 12);
});

test('chat: a prompt computed before is not computed again', async () => {
  const messages = [{ role: 'user', content: `once ${'the ferry leaves at nine '.repeat(40)}` }];
  const first = await create({ messages });
  const second = await create({ messages });
  assert.deepEqual(second.choices, first.choices);
  const { prompt_tokens: all, prompt_tokens_details: details } = second.usage;
  assert.ok(details.cached_tokens > all / 2 && details.cached_tokens < all, `${details.cached_tokens} of ${all}`);
});
