// responses, without state.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { BadRequestError } from 'openai';
import { collect, errorObject, events, fits, model, serve } from './loquat.mjs';

const input = 'When does the bakery open?';
let server, client;
before(async () => {
  server = await serve();
  client = server.client();
});
after(() => server.stop());

const create = (more) =>
  client.responses.create({ model, input, max_output_tokens: 12, temperature: 0, ...more });
const refused = (more, param) =>
  assert.rejects(create(more), (error) => {
    assert.ok(error instanceof BadRequestError, String(error));
    assert.equal(error.param, param, error.message);
    return true;
  });
const parameters = {
  type: 'object',
  properties: { place: { enum: ['bakery', 'library'] }, day: { type: 'integer', minimum: 1, maximum: 7 } },
  required: ['place', 'day'],
  additionalProperties: false,
};
const hours = { type: 'function', name: 'hours', description: 'When a place is open.', parameters, strict: true };

test('responses: a whole one', async () => {
  const response = await create({ instructions: 'Be brief.', metadata: { a: 'b' } });
  assert.match(response.id, /^resp_/);
  assert.equal(response.object, 'response');
  assert.equal(response.model, model);
  assert.equal(response.status, 'incomplete');
  assert.deepEqual(response.incomplete_details, { reason: 'max_output_tokens' });
  assert.equal(response.error, null);
  assert.equal(response.instructions, 'Be brief.');
  assert.deepEqual(response.metadata, { a: 'b' });
  assert.equal(response.store, false);
  assert.equal(response.previous_response_id, null);
  const [item] = response.output;
  assert.equal(item.type, 'message');
  assert.equal(item.role, 'assistant');
  assert.deepEqual(Object.keys(item.content[0]).sort(), ['annotations', 'logprobs', 'text', 'type']);
  assert.ok(response.output_text.length > 0);
  assert.equal(response.usage.output_tokens, 12);
  assert.equal(response.usage.total_tokens, response.usage.input_tokens + 12);
});

test('responses: the same words as chat.completions has', async () => {
  const chat = await client.chat.completions.create({ model, max_tokens: 12, temperature: 0,
    messages: [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: input }] });
  const text = chat.choices[0].message.content;
  assert.equal((await create({ instructions: 'Be brief.' })).output_text, text);
  const items = [{ role: 'developer', content: 'Be brief.' },
    { type: 'message', role: 'user', content: [{ type: 'input_text', text: input }] }];
  assert.equal((await create({ input: items })).output_text, text);
});

test('responses: completed where the turn ends', async () => {
  const format = { type: 'json_schema', name: 'yes', schema: { type: 'boolean' } };
  const response = await create({ text: { format } });
  assert.equal(response.status, 'completed');
  assert.equal(response.incomplete_details, null);
  assert.equal(typeof JSON.parse(response.output_text), 'boolean');
});

test('responses: streamed events, in order and numbered', async () => {
  const whole = await create();
  const all = await collect(await create({ stream: true }));
  assert.deepEqual(all.map((e) => e.sequence_number), all.map((_, i) => i));
  const types = all.map((e) => e.type).filter((type, i, list) => type !== list[i - 1]);
  assert.deepEqual(types, ['response.created', 'response.in_progress', 'response.output_item.added',
    'response.content_part.added', 'response.output_text.delta', 'response.output_text.done',
    'response.content_part.done', 'response.output_item.done', 'response.incomplete']);
  const text = all.filter((e) => e.type === 'response.output_text.delta').map((e) => e.delta).join('');
  assert.equal(text, whole.output_text);
  assert.equal(all.find((e) => e.type === 'response.output_text.done').text, text);
  const last = all.at(-1).response;
  assert.equal(last.output[0].content[0].text, text);
  assert.equal(last.usage.output_tokens, 12);
  assert.equal(all[0].response.id, last.id);
  assert.equal(all[0].response.status, 'in_progress');
});

test('responses: the stream helper', async () => {
  const stream = client.responses.stream({ model, input, max_output_tokens: 12, temperature: 0 });
  let text = '';
  stream.on('response.output_text.delta', (event) => (text += event.delta));
  const final = await stream.finalResponse();
  assert.equal(final.output_text, text);
  assert.equal(text, (await create()).output_text);
});

test('responses: events have their names on the wire', async () => {
  const response = await server.post('/v1/responses', { model, input, max_output_tokens: 3, stream: true });
  assert.equal(response.headers.get('content-type'), 'text/event-stream');
  for (const { event, data } of events(await response.text())) assert.equal(event, data.type);
});

test('responses: function calls, whole and streamed', async () => {
  const request = { tools: [hours], tool_choice: 'required', max_output_tokens: 300, parallel_tool_calls: false };
  const whole = await create(request);
  assert.equal(whole.output.length, 1);
  const [call] = whole.output;
  assert.equal(call.type, 'function_call');
  assert.equal(call.name, 'hours');
  assert.match(call.call_id, /^call_/);
  assert.equal(call.status, 'completed');
  assert.ok(fits(JSON.parse(call.arguments), parameters));
  const all = await collect(await create({ ...request, stream: true }));
  const deltas = all.filter((e) => e.type === 'response.function_call_arguments.delta');
  assert.equal(deltas.map((e) => e.delta).join(''), call.arguments);
  assert.equal(all.find((e) => e.type === 'response.function_call_arguments.done').arguments, call.arguments);
  const final = await client.responses.stream({ model, input, temperature: 0, ...request }).finalResponse();
  assert.deepEqual(final.output[0].parsed_arguments, JSON.parse(call.arguments));
});

test('responses: a call and its output in the input', async () => {
  const items = [{ role: 'user', content: input },
    { type: 'function_call', call_id: 'call_1', name: 'hours', arguments: '{"place":"bakery","day":1}' },
    { type: 'function_call_output', call_id: 'call_1', output: 'Eight to six.' }];
  const response = await create({ input: items, tools: [hours] });
  assert.equal(response.output.length > 0, true);
  const back = await create({ input: [...items, ...response.output, { role: 'user', content: 'Thanks.' }] });
  assert.equal(back.object, 'response');
});

test('responses: text.format, with parse()', async () => {
  const format = { type: 'json_schema', name: 'question', schema: parameters, strict: true };
  const response = await client.responses.parse({ model, input, max_output_tokens: 200, text: { format } });
  assert.ok(fits(response.output_parsed, parameters));
  const object = await create({ max_output_tokens: 60, text: { format: { type: 'json_object' } } });
  assert.equal(typeof JSON.parse(object.output_text), 'object');
});

test('responses: a form that so few tokens do not hold', async () => {
  await refused({ max_output_tokens: 3, text: { format: { type: 'json_schema', name: 's', schema: parameters } } },
    'max_output_tokens');
});

test('responses: what needs state, and what is wrong, is refused', async () => {
  await refused({ previous_response_id: 'resp_1' }, 'previous_response_id');
  await refused({ conversation: 'conv_1' }, 'conversation');
  await refused({ background: true }, 'background');
  await refused({ truncation: 'auto' }, 'truncation');
  await refused({ input: [] }, 'input');
  await refused({ input: undefined }, 'input');
  await refused({ input: 'bread '.repeat(5000) }, 'input');
  await refused({ input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'x' }] }] },
    'input[0].content[0].type');
  await refused({ input: [{ type: 'web_search_call', id: 'x' }] }, 'input[0].type');
  await refused({ max_output_tokens: 0 }, 'max_output_tokens');
  await refused({ tools: [{ type: 'web_search' }] }, 'tools[0].type');
  await refused({ text: { format: { type: 'json_schema', schema: {} } } }, 'text.format.name');
  await refused({ nonsense: 1 }, 'nonsense');
  const stateless = await server.get('/v1/responses/resp_1');
  assert.equal(stateless.status, 404);
  errorObject(await stateless.json());
});
