// Texts of the blind comparison.
import {area} from "./index";

export const blind = area(
  {
    title: "Compare two models blind", text: "Two models answer the same question. You see which is which after your vote.", question: "Your question", ask: "Ask both", left: "Left", right: "Right", tie: "Equally good", bothBad: "Both bad",
    leftBetter: "Left is better", rightBetter: "Right is better", revealed: "Left was {left}, right was {right}.", another: "Ask something else", scores: "Votes of all people", model: "Model", wins: "Won", losses: "Lost", ties: "Ties", share: "Share won", range: "95 % range", noScores: "No votes yet.", twoNeeded: "A comparison needs two models.",
    failed: "The answer broke off: {why}", both: "Both answers are complete. You can vote.",
  },
  {
    title: "双模型盲测", text: "两个模型回答同一个问题，投票之后才显示各自是哪个模型。", question: "您的问题", ask: "同时提问", left: "左边", right: "右边", tie: "一样好", bothBad: "都不好",
    leftBetter: "左边更好", rightBetter: "右边更好", revealed: "左边是 {left}，右边是 {right}。", another: "再问一个问题", scores: "全体投票结果", model: "模型", wins: "胜", losses: "负", ties: "平", share: "胜率", range: "95% 区间", noScores: "还没有投票。", twoNeeded: "对比需要两个模型。",
    failed: "回答中断：{why}", both: "两个回答都已完成，可以投票了。",
  },
);
