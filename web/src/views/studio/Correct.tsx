// A label that was sent, corrected by the one who sent it: the server keeps what it was before.
import {useState} from "react";
import {api} from "../../api/client";
import {useText} from "../../i18n";
import {common} from "../../i18n/common";
import {studio} from "../../i18n/studio";
import {Button, Dialog, toast} from "../../ui";
import {useWhy} from "./calls";
import {LabelEditor} from "./LabelEditor";
import {missingIn, restore, toSend} from "./labels";
import type {Draft, Project, Task} from "./types";

interface Props {
  sent: {label: string; task: Task; draft: Draft};
  project: Project;
  onClose: () => void;
  onDone: () => void;
}
export function Correct({sent, project, onClose, onDone}: Props) {
  const t = useText(studio);
  const tc = useText(common);
  const sayWhy = useWhy();
  const [draft, setDraft] = useState(() => restore(sent.task, sent.draft));
  const [why, setWhy] = useState("");
  const [state, setState] = useState({busy: false, error: ""});
  const missing = missingIn(sent.task, draft, project.criteria);
  const save = async () => {
    if (state.busy || missing.length > 0 || why.trim() === "") return;
    setState({busy: true, error: ""});
    try {
      await api.patch(`/labels/${encodeURIComponent(sent.label)}`, {label: toSend(sent.task, draft, draft.seconds), why: why.trim()});
      toast(t.corrected);
      onDone();
    } catch (error) {
      setState({busy: false, error: sayWhy(error)});
    }
  };
  return (
    <Dialog open wide title={t.correctTitle} onClose={onClose} actions={<>
      <Button onClick={onClose}>{tc.cancel}</Button>
      <Button kind="primary" busy={state.busy} disabled={missing.length > 0 || why.trim() === ""} onClick={() => void save()}>{t.correctSave}</Button>
    </>}>
      <LabelEditor task={sent.task} project={project} draft={draft} onChange={patch => setDraft(now => ({...now, ...patch}) as Draft)} />
      <label className="st-field"><span>{t.correctWhy}</span><textarea rows={2} value={why} onChange={e => setWhy(e.target.value)} /></label>
      {state.error && <p role="alert" className="st-problem">{state.error}</p>}
    </Dialog>
  );
}
