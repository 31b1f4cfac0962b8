// Why a task is given back: one of the usual reasons, and words of one's own.
import {useState} from "react";
import {useText} from "../../i18n";
import {common} from "../../i18n/common";
import {studio} from "../../i18n/studio";
import {Button, Dialog} from "../../ui";
import {useWhy} from "./calls";

const REASONS = ["unclear", "cannotJudge", "language", "disturbing", "other"] as const;

export function SkipDialog({open, onClose, onSkip}: {open: boolean; onClose: () => void; onSkip: (reason: string) => Promise<void>}) {
  const t = useText(studio);
  const tc = useText(common);
  const sayWhy = useWhy();
  const [reason, setReason] = useState<(typeof REASONS)[number]>("unclear");
  const [words, setWords] = useState("");
  const [state, setState] = useState<{busy: boolean; error: string}>({busy: false, error: ""});
  const skip = async () => {
    if (state.busy) return;
    setState({busy: true, error: ""});
    try {
      await onSkip([t[`skip_${reason}`], words.trim()].filter(Boolean).join(": "));
      setWords("");
      setState({busy: false, error: ""});
      onClose();
    } catch (error) {
      setState({busy: false, error: sayWhy(error)});
    }
  };
  return (
    <Dialog open={open} title={t.skipTitle} onClose={onClose} onSubmit={() => void skip()} actions={<>
      <Button onClick={onClose}>{tc.cancel}</Button><Button kind="primary" type="submit" busy={state.busy}>{t.skip}</Button>
    </>}>
      <fieldset className="st-choices">
        <legend>{t.skipWhy}</legend>
        {REASONS.map(each => (
          <label key={each}><input type="radio" name="skip" checked={reason === each} onChange={() => setReason(each)} /><span>{t[`skip_${each}`]}</span></label>
        ))}
      </fieldset>
      <label className="st-field"><span>{t.skipWords}</span><textarea rows={2} value={words} onChange={e => setWords(e.target.value)} /></label>
      {state.error && <p role="alert" className="st-problem">{state.error}</p>}
    </Dialog>
  );
}
