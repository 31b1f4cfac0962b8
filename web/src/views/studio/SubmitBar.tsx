// The bar below a task: what is saved, what is missing, and send, skip, flag.
import {fill, useText} from "../../i18n";
import {studio} from "../../i18n/studio";
import {Button} from "../../ui";
import type {SaveState} from "./drafts";
import type {Missing} from "./labels";
import type {Sending} from "./submission";

interface Props {
  saved: SaveState;
  sending: Sending;
  missing: Missing[];
  name: (missing: Missing) => string;
  onSubmit: () => void;
  onSkip: () => void;
  onFlag?: () => void;
}
const SHOWN = 4;

export function SubmitBar({saved, sending, missing, name, onSubmit, onSkip, onFlag}: Props) {
  const t = useText(studio);
  const busy = sending.state === "sending";
  const refused = sending.state === "refused";
  return (
    <div className="st-bar">
      {missing.length > 0 && (
        <div className="st-missing" role="alert">
          <b>{t.missingTitle}</b>
          <ul>
            {missing.slice(0, SHOWN).map((m, i) => (
              <li key={i}>{fill(t[`missing_${m.what}`], {answer: name(m), criterion: m.criterion ?? ""})}</li>
            ))}
            {missing.length > SHOWN && <li>{fill(t.missingMore, {n: missing.length - SHOWN})}</li>}
          </ul>
        </div>
      )}
      <div className="st-bar-row">
        <span className="st-saved" role="status" data-state={saved}>{t[`saved_${saved}`]}</span>
        <span className="grow" />
        {onFlag && <Button kind="quiet" icon="flag" onClick={onFlag} disabled={busy || refused}>{t.flagTask}</Button>}
        <Button onClick={onSkip} disabled={busy || refused}>{t.skip}</Button>
        <Button kind="primary" busy={busy} disabled={refused} onClick={onSubmit} aria-keyshortcuts="Control+Enter">{busy ? t.sendingNow : t.submit}</Button>
      </div>
    </div>
  );
}
