// Texts of the recipe's page.
import {area} from "./index";

export const run = area(
  {
    title: "The recipe", subtitle: "From text to an aligned assistant", recipe: "recipe {name}", scale: "scale {name}", seed: "seed {n}", report: "Report",
    ask: "Ask every stage", askText: "One question, answered side by side by the model as it was after each stage.", question: "Your question", placeholder: "Ask something about the town …", askButton: "Ask", stop: "Stop", suggestions: "Suggested questions",
    temperature: "Temperature", longest: "Longest reply (tokens)", seedLabel: "Seed", random: "random", keep: "Keep the conversation", fresh: "New conversation", answersOf: "Answers of {model}", answered: "{models} have answered.",
    notMade: "not made yet", ready: "ready", thinking: "thinking …", emptyReply: "(an empty reply)", stopped: "stopped", brokeOff: "broke off: {why}", failed: "failed", cut: "cut at the longest length", figures: "{n} {n|token|tokens} · {s} s",
    progress: "Progress", whole: "Progress of the whole recipe", waiting: "Waiting for the recipe to start", finished: "Finished", finishedIn: "Finished in {time}", stoppedByError: "Stopped by an error", ofWhole: "{stage}, {n} % of the whole", soFar: "{time} so far", left: "about {time} left", leftShort: "{time} left",
    step: "step {n} of {m}", tokensPerSecond: "{n} tokens/s", curves: "Live curves", curvesText: "Point at a curve to read it. Faint: as measured; strong: smoothed.", noCurves: "The first curve appears with the first training step.", moreCurves: "More curves of this stage", at: "{y} at step {x}", chartLabel: "{title}: from {a} to {b} in {n} {n|step|steps}", stepAxis: "step",
    api: "The same models answer an OpenAI-compatible API at /v1.", offline: "The server does not answer. This page goes on as soon as it is back.", minutes: "{n} min", seconds: "{n} s", hours: "{h} h {m} min", none: "There is no recipe in this folder.",
    state_done: "done", state_running: "running", state_pending: "not begun", state_failed: "failed",
    about_base: "pretrained: continues text", about_sft: "fine-tuned on demonstrations", about_reference: "PPO’s starting point", about_ppo: "aligned with the reward model", about_adversarial: "trained against attacks",
    stage_world: "The town", stage_data: "The data", stage_tokenizer: "Tokenizer", stage_base: "Pretraining", stage_pretrain: "Pretraining", stage_sft: "Fine-tuning", stage_reference: "KL reference", stage_comparisons: "Rankings", stage_reward: "Reward model", stage_heldout_reward: "Held-out reward model", stage_select: "Choosing the SFT model", stage_ppo: "PPO", stage_dpo: "DPO", stage_adversarial: "Adversarial round", stage_eval: "Measuring", stage_report: "Report", stage_measuring: "Measuring {name}",
    curve_loss: "Loss", curve_valid_loss: "Loss, held out", curve_valid_bits_per_byte: "Bits per byte, held out", curve_accuracy: "Preferences ordered right", curve_pair_accuracy: "Pairs ordered right", curve_valid_pair_accuracy: "Pairs ordered right, held out", curve_reward: "Reward", curve_held_out_reward: "Reward, by the held-out model", curve_kl: "KL from the reference, nats", curve_length: "Reply length, tokens", curve_entropy: "Entropy, nats", curve_ended: "Share of replies that end",
  },
  {
    title: "训练流程", subtitle: "从文本到对齐的助手", recipe: "流程 {name}", scale: "规模 {name}", seed: "种子 {n}", report: "报告",
    ask: "向每个阶段提问", askText: "同一个问题，由每个阶段结束时的模型并排回答。", question: "您的问题", placeholder: "问一问小镇的事……", askButton: "提问", stop: "停止", suggestions: "推荐问题",
    temperature: "温度", longest: "最大回答长度（词元）", seedLabel: "随机种子", random: "随机", keep: "保留上下文", fresh: "新对话", answersOf: "{model} 的回答", answered: "{models} 已回答。",
    notMade: "尚未产出", ready: "就绪", thinking: "正在思考……", emptyReply: "（空回答）", stopped: "已停止", brokeOff: "回答中断：{why}", failed: "失败", cut: "达到最大长度，已截断", figures: "{n} 个词元 · {s} 秒",
    progress: "进度", whole: "整个流程的进度", waiting: "等待流程开始", finished: "已完成", finishedIn: "已完成，用时 {time}", stoppedByError: "因错误而停止", ofWhole: "{stage}，总进度 {n}%", soFar: "已用 {time}", left: "约剩 {time}", leftShort: "剩余 {time}",
    step: "第 {n} 步，共 {m} 步", tokensPerSecond: "每秒 {n} 个词元", curves: "实时曲线", curvesText: "将指针移到曲线上即可读数。浅色：测量值；深色：平滑后。", noCurves: "第一个训练步完成后会出现第一条曲线。", moreCurves: "这个阶段的更多曲线", at: "第 {x} 步：{y}", chartLabel: "{title}：{n} 步内从 {a} 到 {b}", stepAxis: "步",
    api: "同样的模型也可以通过 /v1 的 OpenAI 兼容接口访问。", offline: "服务器没有响应，恢复后页面会自动继续。", minutes: "{n} 分钟", seconds: "{n} 秒", hours: "{h} 小时 {m} 分钟", none: "这个文件夹里没有训练流程。",
    state_done: "已完成", state_running: "进行中", state_pending: "未开始", state_failed: "失败",
    about_base: "预训练：续写文本", about_sft: "用示范微调", about_reference: "PPO 的起点", about_ppo: "用奖励模型对齐", about_adversarial: "针对攻击训练",
    stage_world: "小镇", stage_data: "数据", stage_tokenizer: "分词器", stage_base: "预训练", stage_pretrain: "预训练", stage_sft: "微调", stage_reference: "KL 参考模型", stage_comparisons: "排序数据", stage_reward: "奖励模型", stage_heldout_reward: "留出奖励模型", stage_select: "选择 SFT 模型", stage_ppo: "PPO", stage_dpo: "DPO", stage_adversarial: "对抗训练", stage_eval: "评测", stage_report: "报告", stage_measuring: "评测 {name}",
    curve_loss: "损失", curve_valid_loss: "留出集损失", curve_valid_bits_per_byte: "留出集每字节比特数", curve_accuracy: "偏好排序正确率", curve_pair_accuracy: "成对排序正确率", curve_valid_pair_accuracy: "留出集成对排序正确率", curve_reward: "奖励", curve_held_out_reward: "留出模型给出的奖励", curve_kl: "与参考模型的 KL（纳特）", curve_length: "回答长度（词元）", curve_entropy: "熵（纳特）", curve_ended: "正常结束的回答比例",
  },
);
