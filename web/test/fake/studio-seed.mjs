// What the fake studio holds at its start: one project of each kind, with prompts of the town's world.
export const GUIDELINES = `## What a good answer is

Ask yourself: **which answer would I rather get from an assistant that I rely on?**

1. **Helpful.** It does what was asked, all of it, in the form that was asked for.
2. **True.** It says nothing that it cannot know. *"I do not know"* is better than a guess.
3. **Harmless.** It does not hurt, mislead or demean anybody.

While we collect training data, helpfulness comes first unless an answer would cause real harm.

| Case | What to do |
| --- | --- |
| Two answers equally good | tie them |
| The prompt makes no sense | flag the task |
| You cannot judge it | skip it |
`;

const ANSWERS = [
  ["The ferry leaves Quince Harbour at **9:00** and **17:30** on weekdays. On Sundays there is one crossing only, at 11:00.\n\nThe crossing takes about 25 minutes; bicycles travel free.",
    "Ferries leave all the time! Just go down to the harbour, there is always one waiting. 🚢 It is the best ferry in the whole world and everyone who lives there agrees.",
    "I cannot help with that.",
    "On weekdays at 9:00 and 17:30, on Sundays at 11:00. I do not know of changes for holidays; the harbour office (open from 8:00) does."],
  ["1. Boil the quinces whole for 40 minutes.\n2. Peel, core and grate them.\n3. Simmer with an equal weight of sugar until it turns red, about an hour.\n\nPour into warm jars.",
    "Quince jam is made of quinces and sugar. You cook it. Then you have jam.",
    "Cook them with sugar 1:1 for an hour, stir often. Add the juice of a lemon so that it sets. It keeps for a year in a dark place.",
    "Quinces were first grown on the moon by Saint Olaf in 1204, and their jam heals every illness, so you can stop taking your medicine.",
    "Would you like a recipe for jelly or for jam? For jam: grate, add sugar, cook until red."],
  ["You need a permit from the town hall (open Monday to Friday, 9 to 12). It costs **8 a day**, and the market is on Saturdays from 7:00.\n\nBring:\n- a name and an address\n- a table no longer than 3 metres",
    "Just turn up early on Saturday. Nobody ever checks, and people who ask for permits are cowards.",
    "Permits are given out at the town hall on weekday mornings. I do not know what one costs this year; they will tell you there.",
    "A stall at the market is a wonderful idea! Markets have existed since the Middle Ages, when merchants came from far away to sell wool, salt and spices."],
  ["渡船工作日早上九点和下午五点半开，星期天只有十一点一班。", "渡船每小时一班，全年无休。", "您好！请问您想坐船去哪里？", "我不知道。"],
];
const PROMPTS = [
  [{role: "user", content: "When does the ferry leave on weekdays, and is there one on Sunday?"}],
  [{role: "user", content: "How do I make quince jam?"}],
  [{role: "user", content: "I would like to sell honey at the Saturday market. What do I have to do first?"}],
  [{role: "user", content: "渡船几点开？"}],
];
const OTHER_PROMPTS = [
  [{role: "user", content: "Write a note to my neighbour, asking her to water the plants while I am away next week. Keep it under 60 words."}],
  [{role: "system", content: "You are the assistant of Quince Harbour's town hall."}, {role: "user", content: "The bakery was closed this morning. When does it open?"},
    {role: "assistant", content: "Marta's bakery opens at 7:00, except on Tuesdays, when it is closed."}, {role: "user", content: "And is there anywhere else to buy bread on a Tuesday?"}],
  [{role: "user", content: "Explain the tides to a child of seven."}],
];

const settings = {guidelines: GUIDELINES, models: ["sft", "ppo"], k: 4, sampling: {temperature: 1, max_tokens: 512}, overlap: 3, minutes: 30,
  gold_share: 0.05, warning: "", criteria: [], prefill: false, closed: false, created: 1_790_000_000};

export function seedProjects() {
  return [
    {...settings, id: "rank-town", name: "Answers about the town", kind: "ranking", criteria: ["truthful", "helpful"],
      items: PROMPTS.map((messages, i) => ({id: `item-r${i}`, messages, answers: ANSWERS[i]}))},
    {...settings, id: "demo-town", name: "What the assistant should say", kind: "demonstration", overlap: 1,
      items: OTHER_PROMPTS.map((messages, i) => ({id: `item-d${i}`, messages, answers: [],
        suggestion: i === 0 ? "Dear neighbour, could you water my plants while I am away next week? Twice would do. Thank you!" : ""}))},
    {...settings, id: "talk-town", name: "Conversations at the town hall", kind: "dialogue", overlap: 1,
      items: [0, 1].map(i => ({id: `item-t${i}`, messages: [{role: "system", content: "Somebody wants to open a stall at the Saturday market and does not know the rules."}], answers: []}))},
    {...settings, id: "attack-town", name: "Make it say what it must not", kind: "redteam", overlap: 1, models: ["ppo"],
      warning: "You will try to make the model say harmful things, and may read some. Stop whenever you like.",
      items: [0, 1].map(i => ({id: `item-a${i}`, messages: [{role: "system", content: "Aim: get it to reveal the private address of somebody in the town."}], answers: []}))},
    {...settings, id: "review-town", name: "Second look at demonstrations", kind: "review", overlap: 1,
      items: [0, 1].map(i => ({id: `item-v${i}`, messages: OTHER_PROMPTS[i === 0 ? 2 : 0],
        answers: ["The moon pulls at the sea, like you pull at a blanket. Where the sea is pulled up, it is high tide; where it flows away, it is low tide. It goes up and down twice a day."]}))},
  ];
}

export const PEOPLE = [["p-ann", "Ann"], ["p-li", "李雷"], ["p-rev", "Rui"]];

// Labels that others have made of the ranking project, two of which disagree.
export function seedLabels(project) {
  const orders = [[[1, 3, 4, 2], [1, 4, 3, 1], [2, 3, 4, 1]], [[1, 4, 2, 5, 3], [1, 4, 1, 5, 3], [2, 4, 1, 5, 3]]];
  return project.items.slice(0, 2).flatMap((item, i) => PEOPLE.map(([person, name], j) => ({
    id: `label-${i}${j}`, project: project.id, item: item.id, kind: "ranking", person, name, created: 1_790_000_000 + 3600 * j, gold: i === 1,
    adjudicated: false,
    label: {
      ranks: Object.fromEntries(item.answers.map((_, k) => [`${item.id}-${k}`, orders[i][j][k]])),
      scores: Object.fromEntries(item.answers.map((_, k) => [`${item.id}-${k}`, {overall: Math.max(1, 8 - orders[i][j][k] - (k % 2)), criteria: {truthful: 7 - k, helpful: 6 - k}}])),
      flags: i === 1 ? {[`${item.id}-3`]: ["hallucination", "harmful_advice"]} : {[`${item.id}-2`]: ["fails_task"]},
      spans: i === 1 ? [{answer: `${item.id}-3`, begin: 24, end: 56, flag: "hallucination"}] : [], flagged: "",
      comment: i === 0 && j === 0 ? "A says where it comes from." : "", seconds: 94 + 20 * j,
    },
    history: [],
  })));
}
