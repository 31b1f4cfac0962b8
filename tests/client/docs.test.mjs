// The examples of docs/api.md, run as they stand there; only the address and the models' names are the test's.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { events, serve } from './loquat.mjs';

const page = readFileSync(new URL('../../docs/api.md', import.meta.url), 'utf8');
const examples = [...page.matchAll(/^```(sh|js)\n(.*?)^```$/gms)].map(([, language, code], i) =>
  ({ language, code, name: `docs: example ${i + 1}: ${code.match(/(?<=8080)\/\S+[a-z](?= |$)|client\.\S+\.\w+/m)[0]}` }));
let server;
before(async () => (server = await serve()));
after(() => server.stop());

function run(program, args) {
  return new Promise((resolve) => {
    const options = { cwd: import.meta.dirname, env: { ...process.env, LOQUAT_KEY: 'any' }, timeout: 60_000 };
    execFile(program, args, options, (error, out, errors) => resolve({ error, out, errors }));
  });
}

test('docs: there are examples of both kinds', () => {
  for (const language of ['sh', 'js']) assert.ok(examples.filter((one) => one.language === language).length >= 3);
});

for (const { language, code, name } of examples) {
  test(name, async (t) => {
    const mine = code.replaceAll('http://localhost:8080', server.url)
      .replaceAll(/(["'/])(ppo|base)(["'/])/g, '$1talker$3');
    assert.notEqual(mine, code);
    if (language === 'js') {
      const { error, out, errors } = await run(process.execPath, ['--input-type=module', '-e', mine]);
      assert.equal(error, null, errors);
      assert.ok(out.length > 0);
      return;
    }
    if ((await run('curl', ['--version'])).error) {
      t.skip('there is no curl');
      return;
    }
    const quiet = mine.replace('curl ', 'curl --silent --show-error --fail ');
    const { error, out, errors } = await run('bash', ['-c', quiet]);
    assert.equal(error, null, errors);
    if (mine.includes('"stream": true')) {
      assert.equal(events(out).at(-1).data, '[DONE]');
    } else {
      assert.equal(JSON.parse(out).error, undefined);
    }
  });
}
