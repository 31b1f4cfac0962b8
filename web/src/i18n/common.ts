// Words that every view uses, the shell's, and those of login, join and settings.
import {area} from "./index";

export const common = area(
  {
    appName: "Loquat", cancel: "Cancel", close: "Close", save: "Save", delete: "Delete", retry: "Try again", back: "Back", more: "More",
    loading: "Loading", copy: "Copy", copied: "Copied", search: "Search", yes: "Yes", no: "No", none: "None", options: "Options",
    notFound: "There is nothing here", notFoundText: "The address may be mistyped, or what was here is gone.", toStart: "To the start",
    failed: "That did not work: {why}", viewFailed: "This view stopped working", viewFailedText: "Nothing you wrote is lost. Load the page again to go on.",
    reload: "Load again", offline: "The server cannot be reached. What you write is kept; this page goes on as soon as it is back.",
    reconnecting: "Connecting again …", menu: "Menu", closeMenu: "Close menu", skip: "Skip to the content", external: "opens another site",
  },
  {
    appName: "Loquat", cancel: "取消", close: "关闭", save: "保存", delete: "删除", retry: "重试", back: "返回", more: "更多",
    loading: "正在加载", copy: "复制", copied: "已复制", search: "搜索", yes: "是", no: "否", none: "无", options: "选项",
    notFound: "这里什么也没有", notFoundText: "地址可能有误，或者内容已被删除。", toStart: "回到首页",
    failed: "操作未成功：{why}", viewFailed: "这个页面出错了", viewFailedText: "您写的内容没有丢失。重新加载页面即可继续。",
    reload: "重新加载", offline: "无法连接服务器。您写的内容会保留，恢复连接后页面会自动继续。",
    reconnecting: "正在重新连接……", menu: "菜单", closeMenu: "关闭菜单", skip: "跳到正文", external: "打开其他网站",
  },
);

export const nav = area(
  {
    main: "Main", chat: "Chat", blind: "Compare blind", run: "The recipe", running: "running", studio: "Studio", reviews: "People's chats", people: "People",
    settings: "Settings", signOut: "Sign out", signedInAs: "Signed in as {name}", newChat: "New chat",
  },
  {
    main: "主导航", chat: "对话", blind: "盲测对比", run: "训练流程", running: "进行中", studio: "标注工作室", reviews: "用户对话", people: "人员",
    settings: "设置", signOut: "退出登录", signedInAs: "已登录：{name}", newChat: "新对话",
  },
);
