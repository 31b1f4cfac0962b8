// Prints how many prompt tokens a second node-llama-cpp reads (prefill.py runs it in a folder that has the package):
//   node prefill.mjs MODEL.gguf TOKENS THREADS VOCABULARY
import {getLlama} from "node-llama-cpp";

const [, , modelPath, tokens, threads, vocabulary] = process.argv;
const count = Number(tokens);
const llama = await getLlama({gpu: false, build: "never", progressLogs: false, logLevel: "error"});
const model = await llama.loadModel({modelPath});
const context = await model.createContext({contextSize: count + 64, batchSize: count, threads: Number(threads)});
const sequence = context.getSequence();
const prompt = Array.from({length: count}, (_, i) => (i * 7919 + 11) % Number(vocabulary));
const seconds = [];
for (let round = 0; round < 4; ++round) {
  await sequence.clearHistory();
  const start = performance.now();
  await sequence.evaluateWithoutGeneratingNewTokens(prompt);
  if (round > 0) seconds.push((performance.now() - start) / 1000);
}
seconds.sort((a, b) => a - b);
console.log(JSON.stringify({tokens_per_second: count / seconds[1]}));
process.exit(0);
