// Texts of login, join and settings.
import {area} from "./index";

export const account = area(
  {
    signIn: "Sign in", email: "E-mail address", password: "Password", signInWith: "Sign in with {name}", wait: "Too many tries. Wait {n} s and try again.",
    sign_in_failed: "Signing in did not work. Please try again.", sign_in_denied: "The provider did not let you sign in.", sign_in_uninvited: "There is no account for you here yet. Ask for an invitation.", sign_in_disabled: "Your account is disabled.", sign_in_email_taken: "Another account has your e-mail address.",
    joinTitle: "Join", joinText: "You have been invited. Choose a name and a password.", invitation: "Invitation code", name: "Name", newPassword: "New password", passwordHint: "At least 10 characters. A few words are good.", join: "Join", haveAccount: "I have an account",
    settings: "Settings", appearance: "Appearance", language: "Language", followBrowser: "As the browser", theme: "Theme", followSystem: "As the system", light: "Light", dark: "Dark",
    privacy: "Privacy", privacyText: "Your conversations are yours alone unless you allow more.", mayReview: "Reviewers may read my conversations", mayReviewHint: "Without your name. Each reading is written to the audit log, and you see it below.", mayTrain: "My conversations and feedback may train later models", mayTrainHint: "One person’s share of a data set is capped.",
    changePassword: "Change the password", oldPassword: "Old password", changed: "The password is changed. Your other sessions have ended.", change: "Change", yourData: "Your data", exportAll: "Export all conversations", exportText: "All your conversations with their branches and feedback, as one JSON file.", saved: "Saved",
    localText: "This is your own machine: there are no accounts.",
  },
  {
    signIn: "登录", email: "电子邮箱", password: "密码", signInWith: "使用 {name} 登录", wait: "尝试次数过多，请等待 {n} 秒后再试。",
    sign_in_failed: "登录未成功，请重试。", sign_in_denied: "登录服务拒绝了您的请求。", sign_in_uninvited: "您在这里还没有账号，请先获取邀请。", sign_in_disabled: "您的账号已被停用。", sign_in_email_taken: "您的邮箱已被另一个账号使用。",
    joinTitle: "加入", joinText: "您收到了邀请。请设置姓名和密码。", invitation: "邀请码", name: "姓名", newPassword: "新密码", passwordHint: "至少 10 个字符，用几个词组成为佳。", join: "加入", haveAccount: "我已有账号",
    settings: "设置", appearance: "外观", language: "语言", followBrowser: "跟随浏览器", theme: "主题", followSystem: "跟随系统", light: "浅色", dark: "深色",
    privacy: "隐私", privacyText: "除非您同意，您的对话只有您自己能看到。", mayReview: "审核员可以阅读我的对话", mayReviewHint: "不显示您的姓名。每次阅读都会写入审计日志，您可以在下方看到。", mayTrain: "我的对话和反馈可以用于训练以后的模型", mayTrainHint: "每个人在数据集中所占的份额有上限。",
    changePassword: "修改密码", oldPassword: "旧密码", changed: "密码已修改，您在其他设备上的登录已失效。", change: "修改", yourData: "您的数据", exportAll: "导出全部对话", exportText: "将您的全部对话（含分支和反馈）导出为一个 JSON 文件。", saved: "已保存",
    localText: "这是您自己的机器，不需要账号。",
  },
);
