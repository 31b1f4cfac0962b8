// Erases a person for good: named and confirmed by typing, and then told which data sets and models held what was erased.
import {useState} from "react";
import {api} from "../../api/client";
import type {Erased, Person} from "../../api/types";
import {fill, useText} from "../../i18n";
import {common} from "../../i18n/common";
import {people as texts} from "../../i18n/people";
import {Button, Dialog, TextField} from "../../ui";
import {useWhy} from "../studio/calls";

interface Props {
  person: Person;
  name: string;
  onClose: () => void;
  onErased: () => void;
}
export function EraseDialog({person, name, onClose, onErased}: Props) {
  const t = useText(texts);
  const tc = useText(common);
  const why = useWhy();
  const [typed, setTyped] = useState("");
  const [state, setState] = useState<{busy: boolean; error: string; done: Erased | null}>({busy: false, error: "", done: null});
  const sure = typed.trim() === name.trim();
  const erase = async () => {
    if (!sure || state.busy) return;
    setState({busy: true, error: "", done: null});
    try {
      const done = await api.post<Erased>(`/people/${encodeURIComponent(person.id)}/erase`);
      setState({busy: false, error: "", done});
      onErased();
    } catch (error) {
      setState({busy: false, error: why(error), done: null});
    }
  };
  if (state.done) return <Result name={name} erased={state.done} onClose={onClose} />;
  return (
    <Dialog open title={fill(t.eraseTitle, {name})} onClose={onClose} onSubmit={() => void erase()} actions={<>
      <Button onClick={onClose}>{tc.cancel}</Button>
      <Button kind="danger" type="submit" busy={state.busy} disabled={!sure}>{t.eraseDo}</Button>
    </>}>
      <p>{fill(t.eraseText, {name, email: person.email})}</p>
      <TextField label={fill(t.eraseType, {name})} value={typed} autoComplete="off" onChange={e => setTyped(e.target.value)} />
      {state.error && <p role="alert" className="st-problem">{state.error}</p>}
    </Dialog>
  );
}

function Result({name, erased, onClose}: {name: string; erased: Erased; onClose: () => void}) {
  const t = useText(texts);
  const tc = useText(common);
  const held = erased.datasets.length + erased.models.length > 0;
  return (
    <Dialog open title={fill(t.erased, {name})} onClose={onClose} actions={<Button kind="primary" onClick={onClose}>{tc.close}</Button>}>
      <p role="status">{fill(t.erasedCounts, {conversations: erased.conversations, labels: erased.labels})}</p>
      <p>{held ? t.erasedHeld : t.erasedNone}</p>
      {erased.datasets.length > 0 && (
        <div><h3>{t.erasedSets}</h3><ul>{erased.datasets.map(set => <li key={set.hash}>{set.name} <code>{set.hash.slice(0, 12)}</code></li>)}</ul></div>
      )}
      {erased.models.length > 0 && <div><h3>{t.erasedModels}</h3><ul>{erased.models.map(model => <li key={model}>{model}</li>)}</ul></div>}
    </Dialog>
  );
}
