// Replies of a given form: JSON objects, JSON schemas and calls of tools. The model babbles, so that the form is the
// server's doing alone.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { BadRequestError } from 'openai';
import { ask, collect, fits, model, serve, textOf } from './loquat.mjs';

let server, client;
before(async () => {
  server = await serve();
  client = server.client();
});
after(() => server.stop());

const create = (more) => client.chat.completions.create({ model, messages: ask, max_tokens: 300, seed: 1, ...more });
const refused = (more, param) =>
  assert.rejects(create(more), (error) => {
    assert.ok(error instanceof BadRequestError, String(error));
    assert.equal(error.param, param, error.message);
    return true;
  });

const schema = {
  type: 'object',
  properties: {
    name: { type: 'string', maxLength: 12 },
    kind: { enum: ['shop', 'house'] },
    floors: { type: 'integer', minimum: 1, maximum: 9 },
    open: { type: 'boolean' },
    rooms: {
      type: 'array',
      minItems: 1,
      maxItems: 3,
      items: {
        type: 'object',
        properties: { size: { type: 'number', minimum: 0, maximum: 100 }, door: { anyOf: [{ type: 'null' },
          { type: 'string', pattern: '^[a-z]{2,5}$' }] } },
        required: ['size', 'door'],
        additionalProperties: false,
      },
    },
  },
  required: ['name', 'kind', 'floors', 'open', 'rooms'],
  additionalProperties: false,
};
const format = { type: 'json_schema', json_schema: { name: 'place', strict: true, schema } };
const hours = {
  type: 'function',
  function: {
    name: 'hours',
    description: 'When a place is open.',
    parameters: {
      type: 'object',
      properties: { place: { enum: ['bakery', 'library'] }, day: { type: 'integer', minimum: 1, maximum: 7 } },
      required: ['place', 'day'],
      additionalProperties: false,
    },
  },
};
const weather = {
  type: 'function',
  function: {
    name: 'weather',
    parameters: {
      type: 'object',
      properties: { town: { type: 'string', maxLength: 10 } },
      required: ['town'],
      additionalProperties: false,
    },
  },
};

test('formats: json_object', async () => {
  for (const seed of [1, 2, 3]) {
    const reply = await create({ response_format: { type: 'json_object' }, seed, max_tokens: 60 });
    const value = JSON.parse(reply.choices[0].message.content);
    assert.ok(typeof value === 'object' && value !== null && !Array.isArray(value));
    assert.equal(reply.choices[0].finish_reason, 'stop');
    const chunks = await collect(
      await create({ response_format: { type: 'json_object' }, seed, max_tokens: 60, stream: true }));
    assert.equal(textOf(chunks), reply.choices[0].message.content);
  }
});

test('formats: json_schema, with parse()', async () => {
  for (const seed of [1, 2, 3, 4]) {
    const reply = await client.chat.completions.parse({ model, messages: ask, max_tokens: 300, seed,
      response_format: format });
    const { parsed, content } = reply.choices[0].message;
    assert.deepEqual(parsed, JSON.parse(content));
    assert.ok(fits(parsed, schema), content);
  }
});

test('formats: json_schema, streamed, with the helper', async () => {
  const whole = await create({ response_format: format });
  const runner = client.chat.completions.stream({ model, messages: ask, max_tokens: 300, seed: 1,
    response_format: format });
  const final = await runner.finalChatCompletion();
  assert.equal(final.choices[0].message.content, whole.choices[0].message.content);
  assert.ok(fits(final.choices[0].message.parsed, schema));
});

test('formats: n choices, each of the schema', async () => {
  const reply = await create({ response_format: format, n: 4 });
  const texts = reply.choices.map((c) => c.message.content);
  assert.ok(new Set(texts).size > 1);
  for (const text of texts) assert.ok(fits(JSON.parse(text), schema), text);
});

test('formats: the text is whole however few tokens there are, or the request is refused', async () => {
  let answered = 0;
  for (const max_tokens of [1, 2, 5, 20, 40, 80, 120]) {
    try {
      const reply = await create({ response_format: format, max_tokens });
      assert.ok(fits(JSON.parse(reply.choices[0].message.content), schema));
      assert.equal(reply.choices[0].finish_reason, 'stop');
      ++answered;
    } catch (error) {
      assert.ok(error instanceof BadRequestError, String(error));
      assert.equal(error.param, 'max_tokens');
      assert.equal(error.code, 'max_tokens_too_small');
    }
  }
  assert.ok(answered > 0 && answered < 7, `${answered}`);
});

test('formats: schemas with refs, that refer to themselves, and of other types', async () => {
  const tree = {
    type: 'object',
    properties: { value: { type: 'integer' }, next: { anyOf: [{ type: 'null' }, { $ref: '#' }] } },
    required: ['value', 'next'],
    additionalProperties: false,
  };
  const shapes = [
    tree,
    { type: 'object', properties: { a: { $ref: '#/$defs/b' } }, required: ['a'], additionalProperties: false,
      $defs: { b: { type: 'boolean' } } },
    { type: 'array', items: { type: 'integer', minimum: -5, maximum: 5 }, minItems: 2, maxItems: 4 },
    { enum: ['yes', 'no', 3, null] },
    { type: 'string', pattern: '^\\d{4}-\\d{2}-\\d{2}$' },
  ];
  for (const one of shapes) {
    const reply = await create({ response_format: { type: 'json_schema', json_schema: { name: 's', schema: one } } });
    const value = JSON.parse(reply.choices[0].message.content);
    if (one !== tree) assert.ok(fits(value, one) || one.properties?.a, JSON.stringify(value));
    if (one === tree) assert.ok(Number.isInteger(value.value) && 'next' in value);
    if (one.properties?.a) assert.equal(typeof value.a, 'boolean');
  }
});

test('formats: wrong formats and schemas', async () => {
  const of = (one) => ({ response_format: { type: 'json_schema', json_schema: { name: 's', schema: one } } });
  await refused({ response_format: { type: 'xml' } }, 'response_format.type');
  await refused({ response_format: 'json_object' }, 'response_format');
  await refused({ response_format: { type: 'json_schema' } }, 'response_format.json_schema');
  await refused({ response_format: { type: 'json_schema', json_schema: { schema: {} } } },
    'response_format.json_schema.name');
  await refused(of({ type: 'nothing' }), 'response_format.json_schema.schema');
  await refused(of({ $ref: '#/nowhere' }), 'response_format.json_schema.schema');
  await refused(of({ $ref: 'https://example.org/schema' }), 'response_format.json_schema.schema');
  await refused(of({ type: 'string', pattern: '(' }), 'response_format.json_schema.schema');
  await refused(of({ type: 'string', pattern: '(a?){60}a{60}(b|bb){99}c{1000}'.repeat(20) }),
    'response_format.json_schema.schema');
  await refused({ response_format: { type: 'json_object' }, tools: [hours] }, 'response_format.type');
});

test('formats: a required call', async () => {
  for (const seed of [1, 2, 3]) {
    const reply = await create({ tools: [hours, weather], tool_choice: 'required', seed });
    const [choice] = reply.choices;
    assert.equal(choice.finish_reason, 'tool_calls');
    assert.equal(choice.message.content, null);
    assert.ok(choice.message.tool_calls.length >= 1);
    const ids = choice.message.tool_calls.map((call) => call.id);
    assert.equal(new Set(ids).size, ids.length);
    for (const call of choice.message.tool_calls) {
      assert.equal(call.type, 'function');
      assert.match(call.id, /^call_/);
      const tool = [hours, weather].find((one) => one.function.name === call.function.name);
      assert.ok(fits(JSON.parse(call.function.arguments), tool.function.parameters), call.function.arguments);
    }
  }
});

test('formats: a named call is of that function alone', async () => {
  const tool_choice = { type: 'function', function: { name: 'weather' } };
  const reply = await create({ tools: [hours, weather], tool_choice });
  const calls = reply.choices[0].message.tool_calls;
  assert.deepEqual(calls.map((call) => call.function.name), ['weather']);
  assert.ok(['stop', 'tool_calls'].includes(reply.choices[0].finish_reason));
  await refused({ tools: [hours], tool_choice }, 'tool_choice');
});

test('formats: one call where parallel_tool_calls is false', async () => {
  for (const seed of [1, 2, 3, 4]) {
    const reply = await create({ tools: [hours, weather], tool_choice: 'required', parallel_tool_calls: false, seed });
    assert.equal(reply.choices[0].message.tool_calls.length, 1);
  }
});

test('formats: no call where tool_choice is none, and any text where it is auto', async () => {
  const none = await create({ tools: [hours], tool_choice: 'none', max_tokens: 20 });
  assert.equal(none.choices[0].message.tool_calls, undefined);
  assert.ok(none.choices[0].message.content.length > 0);
  const auto = await create({ tools: [hours], max_tokens: 20 });
  const { content, tool_calls } = auto.choices[0].message;
  assert.ok((content ?? '').length > 0 || tool_calls.length > 0);
  await refused({ tool_choice: 'required' }, 'tool_choice');
  await refused({ tools: [hours], tool_choice: 'sometimes' }, 'tool_choice');
});

test('formats: streamed calls: names once, arguments in pieces', async () => {
  const request = { tools: [hours, weather], tool_choice: 'required', seed: 2 };
  const whole = await create(request);
  const chunks = await collect(await create({ ...request, stream: true }));
  const calls = [];
  for (const { choices } of chunks) {
    for (const delta of choices[0].delta.tool_calls ?? []) {
      if (delta.id) {
        assert.equal(delta.index, calls.length);
        assert.equal(delta.type, 'function');
        assert.equal(delta.function.arguments, '');
        calls.push({ name: delta.function.name, arguments: '' });
      } else {
        assert.deepEqual(Object.keys(delta).sort(), ['function', 'index']);
        assert.deepEqual(Object.keys(delta.function), ['arguments']);
        calls[delta.index].arguments += delta.function.arguments;
      }
    }
  }
  assert.deepEqual(calls, whole.choices[0].message.tool_calls.map((call) => call.function));
  assert.equal(chunks.at(-1).choices[0].finish_reason, 'tool_calls');
  assert.equal(textOf(chunks), '');
});

test('formats: the helper puts streamed calls together', async () => {
  const runner = client.chat.completions.stream({ model, messages: ask, max_tokens: 300, seed: 3,
    tools: [hours, weather], tool_choice: 'required' });
  const final = await runner.finalChatCompletion();
  for (const call of final.choices[0].message.tool_calls) JSON.parse(call.function.arguments);
  assert.equal(final.choices[0].finish_reason, 'tool_calls');
});

test('formats: strict tools with parse()', async () => {
  const strict = { ...hours, function: { ...hours.function, strict: true } };
  const reply = await client.chat.completions.parse({ model, messages: ask, max_tokens: 300, seed: 4, tools: [strict],
    tool_choice: 'required' });
  for (const call of reply.choices[0].message.tool_calls) {
    assert.ok(fits(call.function.parsed_arguments, hours.function.parameters));
  }
});

test('formats: runTools calls the function', async () => {
  const asked = [];
  const tool = { type: 'function', function: { ...weather.function, parse: JSON.parse,
    function: (args) => {
      asked.push(args);
      return 'It rains.';
    } } };
  for (const stream of [false, true]) {
    asked.length = 0;
    const runner = client.chat.completions.runTools({ model, messages: ask, max_tokens: 100, seed: 1, stream,
      tools: [tool], tool_choice: { type: 'function', function: { name: 'weather' } } });
    await runner.done();
    assert.equal(asked.length, 1);
    assert.ok(fits(asked[0], weather.function.parameters));
    assert.equal(runner.messages.at(-1).content, 'It rains.');
  }
});

test('formats: what runTools sends back is read, call after call', async () => {
  let count = 0;
  const tool = { type: 'function', function: { ...weather.function, parse: JSON.parse, function: () => `${++count}` } };
  const runner = client.chat.completions.runTools({ model, messages: ask, max_tokens: 100, seed: 1, tools: [tool],
    tool_choice: 'required', parallel_tool_calls: false }, { maxChatCompletions: 3 });
  await runner.done();
  assert.equal(count, 3);
});

test('formats: wrong tools', async () => {
  const named = (name) => ({ type: 'function', function: { name } });
  await refused({ tools: [named('two words')] }, 'tools[0].function.name');
  await refused({ tools: [named('a'), named('a')] }, 'tools');
  await refused({ tools: [{ type: 'web_search' }] }, 'tools[0].type');
  await refused({ tools: [{ type: 'function' }] }, 'tools[0].function');
  await refused({ tools: Array.from({ length: 129 }, (_, i) => named(`f${i}`)) }, 'tools');
  await refused({ tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'object',
    properties: { a: { type: 'string', pattern: '(' } } } } }] }, 'tools');
});

test('formats: a function without parameters is called with an object', async () => {
  const reply = await create({ tools: [{ type: 'function', function: { name: 'now' } }], tool_choice: 'required',
    parallel_tool_calls: false, max_tokens: 80 });
  const value = JSON.parse(reply.choices[0].message.tool_calls[0].function.arguments);
  assert.ok(typeof value === 'object' && value !== null && !Array.isArray(value));
});

// A schema of the seeds' making, of strings, numbers, lists, objects and choices within one another.
function someSchema(random, depth) {
  const below = (n) => Math.floor(random() * n);
  switch (below(depth > 0 ? 8 : 5)) {
    case 0:
      return { type: 'string', maxLength: below(10) };
    case 1:
      return { type: 'string', pattern: ['^[a-z]+$', '^\\d{3}-\\d{4}$', '[A-Z]', '^(a|bc|ü€)*$', '^\\S+ \\S+$'][below(5)] };
    case 2:
      return { type: 'integer', minimum: below(2000) - 1000, maximum: 1000 + below(500) };
    case 3:
      return { type: 'number', minimum: below(100) / 8, maximum: 100 + below(50) / 4 };
    case 4:
      return { enum: [null, 'é', '"', 7, true].slice(below(4)) };
    case 5:
      return { type: 'array', items: someSchema(random, depth - 1), minItems: below(3), maxItems: 2 + below(3) };
    case 6:
      return { anyOf: [someSchema(random, depth - 1), someSchema(random, depth - 1)] };
    default: {
      const names = ['a', 'b b', 'ü', '"', '\\', ''].slice(below(6));
      return { type: 'object', properties: Object.fromEntries(names.map((n) => [n, someSchema(random, depth - 1)])),
        required: names.filter(() => random() < 0.5), additionalProperties: false };
    }
  }
}

test('formats: whatever the schema, the seed and the length, the text fits or the request is refused', async () => {
  let state = 1;
  const random = () => (state = (state * 48271) % 2147483647) / 2147483647;
  let fitted = 0;
  const one = async (seed) => {
    const inner = someSchema(random, 3);
    const max_tokens = [20, 60, 100, 300][Math.floor(random() * 4)];
    const request = { seed, max_tokens, temperature: random() * 2, frequency_penalty: 2 * Math.round(random()) };
    const json_schema = { name: 's', schema: inner };
    try {
      const reply = await create({ ...request, response_format: { type: 'json_schema', json_schema } });
      assert.ok(fits(JSON.parse(reply.choices[0].message.content), inner), JSON.stringify({ inner, reply }));
      assert.equal(reply.choices[0].finish_reason, 'stop');
      ++fitted;
    } catch (error) {
      if (error.code !== 'max_tokens_too_small') throw error;
    }
  };
  for (let i = 0; i < 200; i += 8) await Promise.all(Array.from({ length: 8 }, (_, j) => one(i + j)));
  assert.ok(fitted > 150, `${fitted}`);
});

test('formats: a schema does not slow the server down for good', async () => {
  const deep = Array.from({ length: 25 }).reduce((inner) => ({ type: 'object', properties: { a: inner },
    required: ['a'], additionalProperties: false }), { type: 'boolean' });
  const one = { type: 'json_schema', json_schema: { name: 'deep', schema: deep } };
  const reply = await create({ response_format: one, max_tokens: 1000 });
  JSON.parse(reply.choices[0].message.content);
});
