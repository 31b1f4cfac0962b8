// Texts of the review of people's chats, and of what people see of it.
import {area} from "./index";

export const review = area(
  {
    title: "People's chats", text: "Chats of people who allow that reviewers read them. You see no names: one pseudonym is one person. They see that you read.",
    searchLabel: "Words in chats", find: "Search", feedbackLabel: "Feedback", all: "All chats", any: "With feedback", down: "With a thumb down", flags: "With flags",
    none: "There is no chat here that you may read.", noneText: "Only chats of people who allow it in their settings are shown.", untitled: "Untitled", more: "Older chats",
    downs: "{n} {n|thumb|thumbs} down", ups: "{n} {n|thumb|thumbs} up", flagged: "{n} flagged", listLabel: "Chats", back: "All chats",
    by: "{who}, {time}", person: "Person", model: "Model", system: "System prompt", gone: "This chat cannot be read", goneText: "It does not exist, or its person no longer allows it.",
    audited: "That you read this is in the audit log, and its person can see it.", feedbackOf: "What the person said of it", thumbUp: "Thumb up", thumbDown: "Thumb down",
    better: "It should have said:", useAsPrompt: "Use as a prompt", useTitle: "Use this as a prompt", useText: "The chat up to this message becomes a prompt of a project, where people write or rank answers to it. When its person deletes the chat or no longer allows this, the prompt goes with it.",
    project: "Project", noProjects: "There is no open project that takes prompts.", use: "Add the prompt", used: "The prompt is in the project.", usedBefore: "This prompt is in the project already.",
    noTraining: "This person does not allow that models learn from their chats: it cannot become a prompt.",
    readTitle: "Who read your chats", readNone: "Nobody has read your chats.", readList: "{name} saw the {n|title|titles} and hits of {n} of your chats in a list", read_read_conversation: "{name} read “{title}”",
    read_use_conversation: "{name} made a prompt of “{title}”", readGone: "a chat that is gone", somebody: "Somebody", older: "Older",
  },
  {
    title: "用户对话", text: "这里是同意审核的人的对话。您看不到姓名，同一个化名代表同一个人。对方能看到您阅读过。",
    searchLabel: "对话中的词语", find: "搜索", feedbackLabel: "反馈", all: "全部对话", any: "有反馈的", down: "有差评的", flags: "有标记的",
    none: "没有您可以阅读的对话。", noneText: "只显示在设置中同意审核的人的对话。", untitled: "未命名", more: "更早的对话",
    downs: "{n} 个差评", ups: "{n} 个好评", flagged: "{n} 条被标记", listLabel: "对话列表", back: "全部对话",
    by: "{who}，{time}", person: "人员", model: "模型", system: "系统提示词", gone: "无法阅读此对话", goneText: "对话不存在，或对方已不再同意审核。",
    audited: "您的阅读已记入审计日志，对方可以看到。", feedbackOf: "对方的评价", thumbUp: "好评", thumbDown: "差评",
    better: "本应这样回答：", useAsPrompt: "用作提示", useTitle: "用作提示", useText: "到这条消息为止的对话会成为某个项目的提示，由人们为它写回答或排序。对方删除对话或撤回同意时，该提示会一并删除。",
    project: "项目", noProjects: "没有可以添加提示的开放项目。", use: "添加提示", used: "提示已加入项目。", usedBefore: "项目中已有此提示。",
    noTraining: "对方不同意将对话用于训练，因此不能用作提示。",
    readTitle: "谁读过您的对话", readNone: "没有人读过您的对话。", readList: "{name} 在列表中看到了您 {n} 个对话的标题和片段", read_read_conversation: "{name} 阅读了“{title}”",
    read_use_conversation: "{name} 将“{title}”用作提示", readGone: "已删除的对话", somebody: "某位审核员", older: "更早",
  },
);
