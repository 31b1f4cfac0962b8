// Prints node:test's results as GoogleTest prints its own: tools/count_tests.sh counts both.
export default async function* report(source) {
  for await (const { type, data } of source) {
    if (type === 'test:stderr' || type === 'test:stdout') yield data.message;
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    if (data.details?.type === 'suite' || isFile(data)) continue;
    const name = data.name.replaceAll('\n', ' ');
    const ms = Math.round(data.details?.duration_ms ?? 0);
    const what = type === 'test:fail' ? '[  FAILED  ]' : data.skip !== undefined ? '[  SKIPPED ]' : '[       OK ]';
    if (type === 'test:fail') yield `${explain(data.details?.error)}\n`;
    yield `${what} ${name} (${ms} ms)\n`;
  }
}

// A test file's own line, where every test in it has had one; a file that broke down before its first has only this.
const isFile = (data) => data.name.endsWith('.test.mjs') && data.details?.error?.failureType === 'subtestsFailed';

function explain(error) {
  const cause = error?.cause ?? error;
  return cause?.stack ?? String(cause);
}
