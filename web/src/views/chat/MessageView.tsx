// One message: what was said, its branches, and what can be done with it.
import {memo, useEffect, useRef, useState, type KeyboardEvent} from "react";
import {api} from "../../api/client";
import type {Feedback, Message} from "../../api/types";
import {count, fill, useLanguage, useText} from "../../i18n";
import {chat} from "../../i18n/chat";
import {common} from "../../i18n/common";
import {Markdown} from "../../markdown/Markdown";
import {CopyButton} from "../../markdown/CodeBlock";
import {Button, Icon, IconButton, toast, toastError} from "../../ui";
import {isSendKey} from "./Composer";
import {FeedbackPanel} from "./FeedbackPanel";
import type {ConversationStore} from "./store";

export interface MessageViewProps {
  message: Message;
  branches: readonly string[]; // its siblings and itself
  store: ConversationStore;
  busy: boolean; // a reply is being written: no second one is asked for
  onRegenerate: (message: Message) => void;
  onEdit: (message: Message, content: string) => void;
}

export function Folded({message}: {message: Message}) {
  const t = useText(chat);
  const thinking = message.state === "writing" && !message.content;
  return <>
    {message.reasoning && (
      <details className="folded"><summary>{thinking ? t.thinking : t.thoughts}</summary><Markdown text={message.reasoning} writing={thinking} /></details>
    )}
    {message.tool_calls.map(tool => (
      <details key={tool.id} className="folded"><summary>{fill(t.toolCall, {name: tool.name})}</summary><pre tabIndex={0}>{pretty(tool.arguments)}</pre></details>
    ))}
  </>;
}
function pretty(json: string): string {
  try {
    return JSON.stringify(JSON.parse(json), null, 2);
  } catch {
    return json;
  }
}

function Figures({message}: {message: Message}) {
  const t = useText(chat);
  const language = useLanguage();
  const {usage, seconds, sampling} = message;
  const lines: string[] = [];
  if (usage) lines.push(fill(t.tokensOut, {n: count(usage.completion_tokens, language)}), fill(t.tokensIn, {n: count(usage.prompt_tokens, language), m: count(usage.cached_tokens, language)}));
  if (usage && seconds && seconds.total > seconds.first) lines.push(fill(t.speed, {n: (usage.completion_tokens / (seconds.total - seconds.first)).toFixed(1)}));
  if (seconds) lines.push(fill(t.first, {n: seconds.first.toFixed(2)}), fill(t.total, {n: seconds.total.toFixed(1)}));
  const used = Object.entries(sampling).map(([key, value]) => `${key} ${value}`).join(", ");
  return (
    <dl className="figures">
      {lines.length > 0 && <div><dt>{t.figures}</dt><dd>{lines.join(" · ")}</dd></div>}
      <div><dt>{t.samplingUsed}</dt><dd>{used || t.none}</dd></div>
      {message.model_hash && <div><dt>{t.hash}</dt><dd><code>{message.model_hash}</code></dd></div>}
    </dl>
  );
}

function Branches({message, branches, store}: Pick<MessageViewProps, "message" | "branches" | "store">) {
  const t = useText(chat);
  if (branches.length < 2) return null;
  const at = branches.indexOf(message.id);
  return (
    <div className="branches" role="group" aria-label={t.branches}>
      <IconButton icon="left" size={16} label={t.previousBranch} disabled={at <= 0} onClick={() => store.show(branches[at - 1]!)} />
      <span aria-label={fill(t.branch, {i: at + 1, n: branches.length})} role="img">{at + 1}/{branches.length}</span>
      <IconButton icon="right" size={16} label={t.nextBranch} disabled={at >= branches.length - 1} onClick={() => store.show(branches[at + 1]!)} />
    </div>
  );
}

function UserMessage({message, branches, store, busy, onEdit}: MessageViewProps) {
  const t = useText(chat);
  const tc = useText(common);
  const [text, setText] = useState<string | null>(null);
  const box = useRef<HTMLTextAreaElement>(null);
  const editing = text !== null;
  useEffect(() => {
    if (editing) box.current?.focus();
  }, [editing]);
  const send = () => {
    if (text === null || !text.trim() || busy) return;
    setText(null);
    onEdit(message, text);
  };
  const keys = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    if (event.key === "Escape") setText(null);
    else if (isSendKey(event)) {
      event.preventDefault();
      send();
    }
  };
  return (
    <article className="message user" aria-label={t.you} data-id={message.id}>
      {text !== null ? (
        <div className="editing">
          <textarea ref={box} value={text} aria-label={t.editMessage} rows={Math.min(12, text.split("\n").length + 1)} onChange={event => setText(event.target.value)} onKeyDown={keys} dir="auto" />
          <div className="row"><Button kind="primary" disabled={busy || !text.trim()} onClick={send}>{t.sendEdited}</Button><Button onClick={() => setText(null)}>{tc.cancel}</Button></div>
        </div>
      ) : <>
        <div className="bubble" dir="auto">{message.content}
          {message.files.length > 0 && <ul className="chips">{message.files.map((file, i) => <li key={i} className="chip"><Icon name="file" size={15} /><bdi>{file.name}</bdi></li>)}</ul>}
        </div>
        <div className="actions">
          <Branches message={message} branches={branches} store={store} />
          <CopyButton text={() => message.content} label={t.copyMessage} />
          <IconButton icon="edit" size={17} label={t.edit} disabled={busy} onClick={() => setText(message.content)} />
        </div>
      </>}
    </article>
  );
}

const noFeedback: Feedback = {thumb: null, flags: [], comment: "", better: ""};

function Reply({message, branches, store, busy, onRegenerate}: MessageViewProps) {
  const t = useText(chat);
  const [panel, setPanel] = useState(false);
  const [figures, setFigures] = useState(false);
  const writing = message.state === "writing";
  const broken = message.state === "failed" || (message.state === "stopped" && message.error !== ""); // not by a person
  const put = async (feedback: Feedback) => {
    const path = `/conversations/${encodeURIComponent(store.id)}/messages/${encodeURIComponent(message.id)}/feedback`;
    store.replace({...store.get().tree.byId.get(message.id) ?? message, feedback: await api.put<Feedback>(path, feedback)});
  };
  const thumb = async (which: "up" | "down") => {
    const now = message.feedback ?? noFeedback;
    const next = now.thumb === which ? null : which;
    try {
      await put({...now, thumb: next});
      setPanel(next !== null);
    } catch (error) {
      toastError(error);
    }
  };
  const save = async (feedback: Feedback) => {
    try {
      await put(feedback);
      setPanel(false);
      toast(t.thanks);
    } catch (error) {
      toastError(error);
    }
  };
  return (
    <article className="message assistant" aria-label={t.assistant} aria-busy={writing || undefined} data-id={message.id}>
      <div className="said-by"><img src="/favicon.svg" alt="" width="20" height="20" /><span>{message.model || t.assistant}</span></div>
      <Folded message={message} />
      {message.content ? <Markdown text={message.content} writing={writing} />
        : writing ? <p className="dots" role="img" aria-label={t.writing}><i /><i /><i /></p>
        : !message.reasoning && !message.tool_calls.length && !broken ? <p className="muted">{t.emptyReply}</p> : null}
      {broken && <p className="notice bad">{fill(t.failedReply, {why: message.error})}</p>}
      {!broken && (message.state === "stopped" || message.state === "cut") && <p className="muted small state">{message.state === "cut" ? t.cut : t.stopped}</p>}
      {!writing && (
        <div className="actions">
          <Branches message={message} branches={branches} store={store} />
          <CopyButton text={() => message.content} label={t.copyMessage} />
          <IconButton icon="again" size={17} label={t.regenerate} disabled={busy} onClick={() => onRegenerate(message)} />
          <IconButton icon="up" size={17} label={t.good} aria-pressed={message.feedback?.thumb === "up"} onClick={() => void thumb("up")} />
          <IconButton icon="down" size={17} label={t.bad} aria-pressed={message.feedback?.thumb === "down"} onClick={() => void thumb("down")} />
          <IconButton icon="info" size={17} label={t.figures} aria-expanded={figures} onClick={() => setFigures(!figures)} />
        </div>
      )}
      {figures && <Figures message={message} />}
      {panel && message.feedback && <FeedbackPanel feedback={message.feedback} onSave={save} onClose={() => setPanel(false)} />}
    </article>
  );
}

export const MessageView = memo(function MessageView(props: MessageViewProps) {
  return props.message.role === "user" ? <UserMessage {...props} /> : <Reply {...props} />;
});
