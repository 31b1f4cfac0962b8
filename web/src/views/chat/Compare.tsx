// After a regeneration: both answers side by side, and the question which is better.
import {useId, useState} from "react";
import type {Message} from "../../api/types";
import {useText} from "../../i18n";
import {chat} from "../../i18n/chat";
import {Markdown} from "../../markdown/Markdown";
import {Button, toast, toastError} from "../../ui";
import type {ConversationStore} from "./store";

export function Compare({before, after, store}: {before: Message; after: Message; store: ConversationStore}) {
  const t = useText(chat);
  const id = useId();
  const [busy, setBusy] = useState(false);
  const judge = async (choice: "before" | "after" | "tie" | "both_bad") => {
    setBusy(true);
    try {
      await store.judge(choice);
      toast(t.judged);
    } catch (error) {
      toastError(error);
      setBusy(false);
    }
  };
  return (
    <section className="compare card" aria-labelledby={id}>
      <h3 id={id}>{t.whichBetter}</h3>
      <div className="two">
        <div className="side"><h4>{t.answerA}</h4><div className="side-text" tabIndex={0} role="group" aria-label={t.answerA}><Markdown text={before.content} /></div><Button disabled={busy} onClick={() => void judge("before")}>{t.before}</Button></div>
        <div className="side"><h4>{t.answerB}</h4><div className="side-text" tabIndex={0} role="group" aria-label={t.answerB}><Markdown text={after.content} /></div><Button disabled={busy} onClick={() => void judge("after")}>{t.thisOne}</Button></div>
      </div>
      <div className="row">
        <Button disabled={busy} onClick={() => void judge("tie")}>{t.tie}</Button>
        <Button disabled={busy} onClick={() => void judge("both_bad")}>{t.bothBad}</Button>
        <Button kind="quiet" onClick={() => store.dismissCompare()}>{t.skip}</Button>
      </div>
    </section>
  );
}
