// What the end-to-end tests share.
export const failures = [];
export function fail(text) {
  failures.push(text);
  console.log(`FAILED: ${text}`);
}
export function check(ok, text) {
  if (!ok) fail(text);
}
export async function newPage(browser, options = {}) {
  const context = await browser.newContext({viewport: {width: 1280, height: 800}, locale: "en-US", colorScheme: "light", reducedMotion: "reduce", ...options});
  const page = await context.newPage();
  page.setDefaultTimeout(60_000); // a machine under load decides nothing
  return {page, context};
}
// Waits until f() gives something true.
export async function until(f, what, timeout = 60_000) {
  const end = Date.now() + timeout;
  for (;;) {
    const found = await f();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited in vain: ${what}`);
    await new Promise(resolve => setTimeout(resolve, 25));
  }
}
