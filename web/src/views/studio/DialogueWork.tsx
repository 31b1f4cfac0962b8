// Both sides of a conversation, written by one person. Whose turn it is follows from the last one; every turn can be mended.
import {useEffect, useRef, useState} from "react";
import {fill, useText} from "../../i18n";
import {studio} from "../../i18n/studio";
import {Conversation} from "./Conversation";
import {Editor} from "./Editor";
import {Suggestions} from "./Suggestions";
import type {WorkProps} from "./work";
import type {DialogueDraft, Turn} from "./types";

export function DialogueWork({task, label, change, announce, tried, missing, closed}: WorkProps<DialogueDraft>) {
  const t = useText(studio);
  const [text, setText] = useState("");
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => setText(""), [task.id]);
  const messages = label.messages;
  const last = messages[messages.length - 1] ?? task.messages[task.messages.length - 1];
  const role: "user" | "assistant" = last?.role === "user" ? "assistant" : "user";
  const name = t[`role_${role}`];

  const add = () => {
    if (text.trim() === "") return;
    change({messages: [...messages, {role, content: text.trimEnd()}]});
    setText("");
    announce(fill(t.dialogueAdded, {role: name}));
    box.current?.querySelector("textarea")?.focus();
  };
  const mend = (i: number, content: string) => change({messages: messages.map((m, j) => (j === i ? {...m, content} : m))});
  const cut = (i: number) => {
    setText(now => now || (messages[i]?.content ?? ""));
    change({messages: messages.slice(0, i)});
  };
  const sent: Turn[] = [...task.messages, ...messages];

  return (
    <>
      <Conversation messages={task.messages} label={t.dialogueStart} />
      {messages.length > 0 && (
        <ol className="st-dialogue" aria-label={t.dialogueTurns}>
          {messages.map((m, i) => (
            <li key={i} className={`st-turn st-turn-${m.role}`}>
              <Editor label={`${i + 1}. ${t[`role_${m.role}`]}`} value={m.content} rows={3} onChange={content => mend(i, content)} />
              <button type="button" className="st-quiet" onClick={() => cut(i)}>
                {t.dialogueBackTo}
              </button>
            </li>
          ))}
        </ol>
      )}
      <div
        className={`st-next-turn st-turn st-turn-${role}`}
        ref={box}
        onKeyDown={e => {
          if (e.key === "Enter" && (e.ctrlKey || e.metaKey) && !e.nativeEvent.isComposing && text.trim() !== "") {
            e.preventDefault();
            e.stopPropagation();
            add();
          }
        }}
      >
        <Editor label={fill(t.dialogueNow, {role: name})} value={text} rows={4} onChange={setText} invalid={tried && missing.length > 0} />
        <div className="st-row">
          <button type="button" className="button primary" onClick={add} disabled={text.trim() === ""}>
            {fill(t.dialogueAdd, {role: name})}
          </button>
          <span className="st-hint">{t.dialogueHint}</span>
        </div>
        {!closed && (
          <Suggestions
            task={task.id}
            messages={sent}
            announce={announce}
            replaces={text.trim() !== ""}
            onUse={setText}
            label={fill(t.dialogueSuggest, {role: name})}
            first={messages.length === 0 ? task.suggestion : ""}
          />
        )}
      </div>
    </>
  );
}
