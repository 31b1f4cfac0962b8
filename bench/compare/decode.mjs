// Prints how many tokens a second node-llama-cpp generates in several sequences at once (decode.py runs it in a folder
// that has the package):
//   node decode.mjs MODEL.gguf SEQUENCES PROMPT REPLY THREADS VOCABULARY
import {getLlama} from "node-llama-cpp";

const [, , modelPath, ...numbers] = process.argv;
const [sequences, promptTokens, replyTokens, threads, vocabulary] = numbers.map(Number);
const llama = await getLlama({gpu: false, build: "never", progressLogs: false, logLevel: "error"});
const model = await llama.loadModel({modelPath});
const context = await model.createContext({
  contextSize: promptTokens + replyTokens + 8,
  sequences,
  batchSize: Math.max(512, sequences),
  threads,
});
const prompt = Array.from({length: promptTokens}, (_, i) => (i * 7919 + 11) % vocabulary);
const open = Array.from({length: sequences}, () => context.getSequence());

// All but the last token of the prompt before the clock starts.
async function generate(sequence) {
  let count = 0;
  for await (const _ of sequence.evaluate(prompt.slice(-1), {temperature: 1, yieldEogToken: true})) {
    if (++count === replyTokens) break;
  }
}

const rates = [];
for (let round = 0; round < 3; ++round) {
  for (const sequence of open) await sequence.clearHistory();
  await Promise.all(open.map((sequence) => sequence.evaluateWithoutGeneratingNewTokens(prompt.slice(0, -1))));
  const start = performance.now();
  await Promise.all(open.map(generate));
  rates.push((1000 * sequences * replyTokens) / (performance.now() - start));
}
rates.sort((a, b) => a - b);
console.log(JSON.stringify({tokens_per_second: rates[1]}));
process.exit(0);
