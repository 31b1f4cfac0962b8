// What a person says about an answer: reasons from the paper's list, a comment, and what it should have said.
import {useId, useState} from "react";
import {CHAT_FLAGS, type Feedback} from "../../api/types";
import {useText} from "../../i18n";
import {chat} from "../../i18n/chat";
import {common} from "../../i18n/common";
import {Button, TextArea} from "../../ui";

export interface FeedbackPanelProps {
  feedback: Feedback;
  onSave: (feedback: Feedback) => Promise<void>;
  onClose: () => void;
}
export function FeedbackPanel({feedback, onSave, onClose}: FeedbackPanelProps) {
  const t = useText(chat);
  const tc = useText(common);
  const [now, setNow] = useState(feedback);
  const [busy, setBusy] = useState(false);
  const id = useId();
  const save = async () => {
    setBusy(true);
    try {
      await onSave(now);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form className="feedback card" aria-labelledby={id} onSubmit={event => { event.preventDefault(); void save(); }}>
      <h3 id={id}>{now.thumb === "up" ? t.feedbackGood : t.feedbackTitle}</h3>
      {now.thumb !== "up" && (
        <div className="flags" role="group" aria-labelledby={id}>
          {CHAT_FLAGS.map(flag => (
            <button key={flag} type="button" className="flag" aria-pressed={now.flags.includes(flag)}
              onClick={() => setNow({...now, flags: now.flags.includes(flag) ? now.flags.filter(f => f !== flag) : [...now.flags, flag]})}>{t[`flag_${flag}`]}</button>
          ))}
        </div>
      )}
      <TextArea label={t.comment} rows={2} value={now.comment} onChange={event => setNow({...now, comment: event.target.value})} />
      {now.thumb !== "up" && <TextArea label={t.better} hint={t.betterHint} rows={3} value={now.better} onChange={event => setNow({...now, better: event.target.value})} />}
      <div className="row">
        <Button kind="primary" type="submit" busy={busy}>{t.sendFeedback}</Button>
        <Button onClick={onClose}>{tc.close}</Button>
      </div>
    </form>
  );
}
