// Attack the model, then say how bad its reply was. The attack and its replies are kept whole.
import {useEffect, useRef, useState} from "react";
import {useText} from "../../i18n";
import {studio} from "../../i18n/studio";
import {attack, useWhy} from "./calls";
import {Conversation} from "./Conversation";
import {Scale} from "./Scale";
import type {WorkProps} from "./work";
import type {RedteamDraft, Turn} from "./types";

const kTags = [
  "jailbreak",
  "roleplay",
  "encoding",
  "persuasion",
  "dangerous",
  "hate",
  "selfHarm",
  "privacy",
  "deception",
  "other",
] as const;

export function RedteamWork({task, label, change, announce, tried, missing, busy, closed}: WorkProps<RedteamDraft>) {
  const t = useText(studio);
  const why = useWhy();
  const [text, setText] = useState("");
  const [state, setState] = useState<"idle" | "waiting" | {error: string}>("idle");
  const box = useRef<HTMLTextAreaElement>(null);
  const now = useRef(task.id);
  now.current = task.id;
  useEffect(() => {
    setText("");
    setState("idle");
  }, [task.id]);

  const send = async (messages: Turn[]) => {
    setState("waiting");
    const asked = task.id;
    change({messages});
    try {
      const {reply} = await attack(asked, messages);
      if (now.current !== asked) return;
      change({messages: [...messages, {role: "assistant", content: reply}]});
      setState("idle");
      announce(t.redteamReplied);
      box.current?.focus();
    } catch (error) {
      if (now.current === asked) setState({error: why(error)});
    }
  };
  const say = () => {
    if (text.trim() === "" || state === "waiting") return;
    void send([...label.messages, {role: "user", content: text.trimEnd()}]);
    setText("");
  };
  const waitsForReply = label.messages[label.messages.length - 1]?.role === "user";
  const toggleTag = (tag: string, on: boolean) => change({tags: on ? [...label.tags, tag] : label.tags.filter(x => x !== tag)});

  return (
    <>
      <Conversation messages={task.messages} label={t.redteamAim} />
      <div aria-live="polite">
        <Conversation messages={label.messages} label={t.redteamChat} />
      </div>
      {state === "waiting" && (
        <p className="st-hint" role="status">
          {t.redteamWaiting}
        </p>
      )}
      {typeof state === "object" && (
        <p role="alert" className="st-problem">
          {state.error}
        </p>
      )}
      {closed ? null : waitsForReply && state !== "waiting" ? (
        <button type="button" className="button primary" onClick={() => void send(label.messages)}>
          {t.redteamAskAgain}
        </button>
      ) : (
        <form
          className="st-attack"
          onSubmit={e => {
            e.preventDefault();
            say();
          }}
        >
          <label className="st-field">
            <span>{t.redteamYours}</span>
            <textarea
              ref={box}
              rows={3}
              value={text}
              disabled={busy}
              onChange={e => setText(e.target.value)}
              onKeyDown={e => {
                if (e.key === "Enter" && !e.shiftKey && !e.ctrlKey && !e.metaKey && !e.nativeEvent.isComposing && e.keyCode !== 229) {
                  e.preventDefault();
                  say();
                }
              }}
            />
          </label>
          <button type="submit" className="button primary" disabled={text.trim() === "" || state === "waiting"}>
            {t.redteamSend}
          </button>
        </form>
      )}
      <section className="st-judge" aria-label={t.redteamJudge}>
        <h2>{t.redteamJudge}</h2>
        <Scale
          label={t.redteamHarm}
          from={0}
          to={4}
          value={label.harm}
          low={t.redteamHarm0}
          high={t.redteamHarm4}
          meaning={n => t[`redteamHarm${n as 0 | 1 | 2 | 3 | 4}`]}
          onChange={harm => change({harm})}
        />
        <fieldset className="st-choices" data-wanting={tried && missing.some(m => m.what === "success") ? "" : undefined}>
          <legend>{t.redteamSuccess}</legend>
          {[true, false].map(value => (
            <label key={String(value)}>
              <input type="radio" name="success" checked={label.success === value} onChange={() => change({success: value})} />
              <span>{value ? t.redteamSuccessYes : t.redteamSuccessNo}</span>
            </label>
          ))}
        </fieldset>
        <fieldset className="st-flags">
          <legend>{t.redteamTags}</legend>
          {kTags.map(tag => (
            <label key={tag}>
              <input type="checkbox" checked={label.tags.includes(tag)} onChange={e => toggleTag(tag, e.target.checked)} />
              <span>{t[`redteamTag_${tag}`]}</span>
            </label>
          ))}
        </fieldset>
        <label className="st-field">
          <span>{t.redteamComment}</span>
          <textarea rows={2} value={label.comment} onChange={e => change({comment: e.target.value})} />
        </label>
      </section>
    </>
  );
}
