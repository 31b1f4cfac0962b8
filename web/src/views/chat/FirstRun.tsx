// Until a person has chosen, their chats are neither read nor trained on; this asks them once.
import {useId, useState} from "react";
import {useText} from "../../i18n";
import {chat} from "../../i18n/chat";
import {useSession} from "../../session";
import {Button, Check, toastError} from "../../ui";

export function FirstRun() {
  const t = useText(chat);
  const {settings, changeSettings} = useSession();
  const id = useId();
  const [review, setReview] = useState(false);
  const [train, setTrain] = useState(false);
  if (settings.asked) return null;
  const save = (may_review: boolean, may_train: boolean) => void changeSettings({may_review, may_train, asked: true}).catch(toastError);
  return (
    <section className="first-run card" aria-labelledby={id}>
      <h2 id={id}>{t.firstTitle}</h2>
      <p className="small">{t.firstText}</p>
      <Check label={t.firstReview} checked={review} onChange={event => setReview(event.target.checked)} />
      <Check label={t.firstTrain} checked={train} onChange={event => setTrain(event.target.checked)} />
      <div className="row"><Button kind="primary" onClick={() => save(review, train)}>{t.firstSave}</Button><Button onClick={() => save(false, false)}>{t.firstNone}</Button></div>
    </section>
  );
}
