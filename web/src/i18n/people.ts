// The texts of the pages for admins: people, invitations, the audit log, remote models.
import {area} from "./index";

export const people = area(
  {
    // tabs
    title: "People", tabs: "Pages about people", tab_people: "People", tab_invitations: "Invitations", tab_audit: "Audit log",
    tab_models: "Remote models", local: "This is local mode: one person, and no login. In team mode people are invited here.",
    // people
    name: "Name", email: "E-mail", roles: "Roles", role_user: "User", role_labeler: "Labeler", role_red_teamer: "Red-teamer",
    role_reviewer: "Reviewer", role_admin: "Admin", role_userText: "Talks to the models.",
    role_labelerText: "Writes demonstrations and ranks answers.", role_red_teamerText: "Attacks the models.",
    role_reviewerText: "Makes projects and reads labels; what they read of chats is recorded.",
    role_adminText: "May do everything, these pages included.", seen: "Last seen", never: "never", since: "Since", state: "State",
    active: "active", disabled: "disabled", you: "you", nameless: "(no name)", rolesOf: "Roles of {name}", changeRoles: "Change roles",
    changeRolesOf: "Change roles: {name}", changed: "Saved", disable: "Disable", disableOf: "Disable: {name}",
    disableTitle: "Disable {name}?",
    disableText: "{name} is signed out everywhere and cannot sign in. Conversations and labels stay. You can enable them again.",
    enable: "Enable", enableOf: "Enable: {name}", noSelf: "You cannot do this to yourself.", find: "Find by name or e-mail",
    noMatch: "Nobody fits.",
    // erasing
    erase: "Erase data", eraseOf: "Erase data: {name}", eraseTitle: "Erase everything of {name}?",
    eraseText: "The account of {name} ({email}), all their conversations and all their labels are removed for good. This cannot be undone. Data sets and models made from them are not changed: afterwards you see which they are.",
    eraseType: "Type “{name}” to confirm", eraseDo: "Erase for good", erased: "{name} was erased",
    erasedCounts: "{conversations} {conversations|conversation|conversations} and {labels} {labels|label|labels} were removed.",
    erasedHeld: "These still hold what was made of that data. Make them anew, or take them out of use:",
    erasedNone: "No data set and no model holds any of it.", erasedSets: "Data sets", erasedModels: "Models",
    // invitations
    invite: "Invite somebody", inviteEmail: "E-mail (optional: only this address may use the link)", inviteNote: "Note for yourself",
    inviteDays: "Days it is valid", inviteDo: "Make the link", inviteDaysBad: "A whole number from 1 to 365.",
    inviteRolesBad: "Choose at least one role.", inviteLink: "The invitation's link",
    inviteOnce: "This link is shown only now. Copy it and send it to the person yourself.", noInvitations: "No open invitations.",
    inviteFor: "For", anyone: "anyone with the link", expires: "Expires", used: "used", expired: "expired", openState: "open",
    withdraw: "Withdraw", withdrawOf: "Withdraw the invitation for {name}", withdrawn: "The invitation is withdrawn.",
    // audit
    auditText: "Who did what, the newest first. Reading somebody's conversation or label is recorded too.", auditAction: "Action",
    auditPerson: "Person", auditObject: "Object", auditDetail: "Detail", auditTime: "Time", auditAll: "All", auditFilter: "Filter the log",
    noAudit: "Nothing has been recorded that fits.", older: "Older entries",
    // remote models
    remotesText: "Other servers with OpenAI's API, for chat and for comparisons in the studio. What people write to such a model goes to its server.",
    noRemotes: "No remote models.", remoteId: "Name here", remoteUrl: "Address",
    remoteUrlHint: "Ends in /v1, such as https://api.example.org/v1", remoteModel: "Model there", remoteKey: "Key",
    remoteKeyHint: "Kept by the server and never shown again.", remotePrivate: "Allow private addresses",
    remotePrivateHint: "Only for a server of your own: a private address may reach what others must not.", remoteAdd: "Add the model",
    remoteAdded: "The model is added.", remoteUrlBad: "An address that begins with https:// or http://.", required: "Please fill this in.",
    remove: "Remove", removeOf: "Remove: {name}", removeTitle: "Remove {name}?",
    removeText: "Nobody can choose it any more. Conversations with it stay.", removed: "The model is removed.",
  },
  {
    // tabs
    title: "人员", tabs: "人员页面", tab_people: "人员", tab_invitations: "邀请", tab_audit: "审计日志", tab_models: "远程模型",
    local: "当前为本地模式：只有一个用户，无需登录。团队模式下可在此邀请他人。",
    // people
    name: "姓名", email: "邮箱", roles: "角色", role_user: "用户", role_labeler: "标注员", role_red_teamer: "红队成员",
    role_reviewer: "审核员", role_admin: "管理员", role_userText: "与模型对话。", role_labelerText: "撰写示范并为回答排序。",
    role_red_teamerText: "攻击模型以发现问题。", role_reviewerText: "创建项目、查看标注；查看对话会被记录。",
    role_adminText: "拥有全部权限，包括本页面。", seen: "最近活动", never: "从未", since: "加入时间", state: "状态", active: "正常",
    disabled: "已停用", you: "您", nameless: "（无姓名）", rolesOf: "{name} 的角色", changeRoles: "更改角色",
    changeRolesOf: "更改角色：{name}", changed: "已保存", disable: "停用", disableOf: "停用：{name}", disableTitle: "停用 {name}？",
    disableText: "{name} 将在所有设备上退出，且无法登录。对话和标注会保留，您可以重新启用。", enable: "启用", enableOf: "启用：{name}",
    noSelf: "不能对自己执行此操作。", find: "按姓名或邮箱查找", noMatch: "没有匹配的人员。",
    // erasing
    erase: "删除数据", eraseOf: "删除数据：{name}", eraseTitle: "删除 {name} 的全部数据？",
    eraseText: "{name}（{email}）的账户、全部对话和全部标注将被永久删除，无法撤销。由其制成的数据集和模型不会改变，之后会列出它们。",
    eraseType: "输入“{name}”以确认", eraseDo: "永久删除", erased: "{name} 的数据已删除",
    erasedCounts: "已删除 {conversations} 段对话和 {labels} 条标注。", erasedHeld: "以下内容仍含有由这些数据制成的部分，请重新制作或停用：",
    erasedNone: "没有数据集或模型含有这些数据。", erasedSets: "数据集", erasedModels: "模型",
    // invitations
    invite: "邀请他人", inviteEmail: "邮箱（可选：仅此邮箱可使用该链接）", inviteNote: "备注", inviteDays: "有效天数", inviteDo: "生成链接",
    inviteDaysBad: "请输入 1 到 365 的整数。", inviteRolesBad: "请至少选择一个角色。", inviteLink: "邀请链接",
    inviteOnce: "此链接只显示这一次，请复制后自行发送给对方。", noInvitations: "没有待使用的邀请。", inviteFor: "对象",
    anyone: "任何持有链接的人", expires: "到期", used: "已使用", expired: "已过期", openState: "待使用", withdraw: "撤回",
    withdrawOf: "撤回给 {name} 的邀请", withdrawn: "邀请已撤回。",
    // audit
    auditText: "谁做了什么，最新的在前。查看他人的对话或标注也会被记录。", auditAction: "操作", auditPerson: "人员", auditObject: "对象",
    auditDetail: "详情", auditTime: "时间", auditAll: "全部", auditFilter: "筛选日志", noAudit: "没有符合条件的记录。", older: "更早的记录",
    // remote models
    remotesText: "提供 OpenAI 接口的其他服务器，用于对话和工作室中的比较。发给这些模型的内容会传到其服务器。", noRemotes: "没有远程模型。",
    remoteId: "在此处的名称", remoteUrl: "地址", remoteUrlHint: "以 /v1 结尾，例如 https://api.example.org/v1", remoteModel: "远端模型名",
    remoteKey: "密钥", remoteKeyHint: "由服务器保存，不再显示。", remotePrivate: "允许内网地址",
    remotePrivateHint: "仅限您自己的服务器：内网地址可能访问到不应公开的服务。", remoteAdd: "添加模型", remoteAdded: "模型已添加。",
    remoteUrlBad: "请输入以 https:// 或 http:// 开头的地址。", required: "请填写此项。", remove: "移除", removeOf: "移除：{name}",
    removeTitle: "移除 {name}？", removeText: "将无法再选择此模型，已有对话会保留。", removed: "模型已移除。",
  },
);
