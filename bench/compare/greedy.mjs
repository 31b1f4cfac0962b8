// Prints what node-llama-cpp makes of texts: their tokens, and the most likely tokens that follow (greedy.py runs it in a
// folder that has the package):
//   node greedy.mjs MODEL.gguf PROMPTS.json TOKENS CONTEXT
import {readFileSync} from "node:fs";
import {getLlama} from "node-llama-cpp";

const [, , modelPath, promptsPath, count, contextSize] = process.argv;
const llama = await getLlama({gpu: false, build: "never", progressLogs: false, logLevel: "error"});
const model = await llama.loadModel({modelPath});
const context = await model.createContext({contextSize: Number(contextSize), threads: 1});
const sequence = context.getSequence();
const answers = [];
for (const prompt of JSON.parse(readFileSync(promptsPath, "utf8"))) {
  const text = model.tokenize(prompt, false);
  const begun = model.tokens.shouldPrependBosToken ? [model.tokens.bos, ...text] : text;
  await sequence.clearHistory();
  const reply = [];
  for await (const token of sequence.evaluate(begun, {temperature: 0, yieldEogToken: true})) {
    reply.push(token);
    if (reply.length === Number(count)) break;
  }
  answers.push({prompt: begun, reply});
}
console.log(JSON.stringify(answers));
process.exit(0);
