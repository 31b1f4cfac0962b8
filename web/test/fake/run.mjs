// A recipe's progress and curves, as src/app/run_files.cc tells them, and answers of its stages over /v1.
export function addRun(world, route) {
  const curve = (n, f) => Array.from({length: n}, (_, i) => f(i));
  const noise = i => Math.sin(i * 12.9898) * 0.5;
  const names = ["world", "tokenizer", "base", "sft", "comparisons", "reward", "ppo", "eval_ppo", "report"];
  const states = {running: ["done", "done", "done", "done", "done", "done", "running", "pending", "pending"], done: names.map(() => "done"), failed: ["done", "done", "failed", ...names.slice(3).map(() => "pending")]};
  route("GET", "/api/app/run/progress", "anyone", () => {
    if (world.recipe === "none") return {};
    const stages = names.map((name, i) => {
      const state = states[world.recipe][i];
      const more = state === "running" ? {fraction: 0.4, step: 48, steps: 120, tokens_per_second: 15300, seconds_left: 74} : state === "done" ? {seconds: 12 + 30 * i, tokens_per_second: name === "base" ? 41200 : undefined} : state === "failed" ? {message: "The disk is full."} : {};
      return {name, state, ...more};
    });
    return {recipe: "town", scale: "small", seed: 1, state: world.recipe, fraction: 0.72, seconds: 512, seconds_left: world.recipe === "running" ? 190 : null, message: "", stages};
  });
  route("GET", "/api/app/run/curves", "anyone", () => (world.recipe === "none" ? {stages: []} : {stages: [
    {name: "base", columns: ["step", "loss", "lr", "grad_norm"], rows: curve(200, i => [i * 5, 2 + 5 * Math.exp(-i / 30) + noise(i) * 0.2, 0.001, 1 + noise(i)])},
    {name: "sft", columns: ["step", "loss", "valid_loss"], rows: curve(60, i => [i, 1 + Math.exp(-i / 12) + noise(i) * 0.1, 1.1 + Math.exp(-i / 12)])},
    {name: "ppo", columns: ["step", "reward", "kl"], rows: curve(48, i => [i, i / 20 + noise(i) * 0.3, i / 60 + noise(i) * 0.05])},
  ]}));
  route("GET", "/api/app/run/suggestions", "anyone", () => ({suggestions: world.recipe === "none" ? [] : ["When does the ferry leave?", "Who runs the bakery?", "How do I get in touch with the mayor?"]}));
  route("POST", "/api/app/run/ask", "anyone", async ({body, response}) => {
    response.writeHead(200, {"Content-Type": "text/event-stream"});
    const pieces = `I am ${body.model}. The ferry leaves at nine.`.match(/.{1,6}/g);
    for (const content of pieces) {
      response.write(`data: ${JSON.stringify({choices: [{index: 0, delta: {content}, finish_reason: null}]})}\n\n`);
      await new Promise(resolve => setTimeout(resolve, world.pace));
    }
    response.write(`data: ${JSON.stringify({choices: [], usage: {completion_tokens: pieces.length}})}\n\ndata: [DONE]\n\n`);
    response.end();
  });
}
