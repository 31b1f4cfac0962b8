// Prompts come in by pasting or from a file: JSONL, or one prompt a line. What became of each line is said. A review's are the
// labels of another project.
import {useId, useMemo, useRef, useState} from "react";
import {api} from "../../api/client";
import type {AddedPrompts} from "../../api/types";
import {count, fill, useLanguage, useText} from "../../i18n";
import {studio} from "../../i18n/studio";
import {Button, Select} from "../../ui";
import {useWhy} from "./calls";
import {lookAtPrompts} from "./labels";
import {Loaded, useLoad} from "./load";
import type {Project} from "./types";

const MOST_BYTES = 16 << 20;
const SHOWN = 50;

interface Props {
  project: Project;
  onAdded: () => Promise<void>;
}
export function PromptsTab(props: Props) {
  return props.project.kind === "review" ? <LabelsToReview {...props} /> : <PastedPrompts {...props} />;
}

function LabelsToReview({project, onAdded}: Props) {
  const t = useText(studio);
  const why = useWhy();
  const projects = useLoad<{projects: Project[]}>("/projects");
  const [chosen, setChosen] = useState("");
  const [state, setState] = useState<{busy: boolean; error: string; result: AddedPrompts | null}>({busy: false, error: "", result: null});
  const add = async () => {
    if (state.busy || chosen === "") return;
    setState({busy: true, error: "", result: null});
    try {
      const result = await api.post<AddedPrompts>(`/projects/${encodeURIComponent(project.id)}/prompts`, {labels_of: chosen});
      setState({busy: false, error: "", result});
      void onAdded();
    } catch (error) {
      setState({busy: false, error: why(error), result: null});
    }
  };
  return (
    <form className="stack" onSubmit={event => { event.preventDefault(); void add(); }}>
      <p className="muted">{t.reviewsText}</p>
      <Loaded from={projects}>
        {({projects: all}) => (
          <Select label={t.reviewsOf} value={chosen} onChange={e => setChosen(e.target.value)}>
            <option value="">{t.reviewsChoose}</option>
            {all.filter(p => p.kind !== "review").map(p => <option key={p.id} value={p.id}>{`${p.name} (${fill(t.labelsN, {n: p.counts.labels})})`}</option>)}
          </Select>
        )}
      </Loaded>
      <div className="row"><Button kind="primary" type="submit" busy={state.busy} disabled={chosen === ""}>{t.reviewsAdd}</Button></div>
      {state.error && <p role="alert" className="notice bad">{state.error}</p>}
      {state.result && <Added result={state.result} />}
    </form>
  );
}

function Added({result}: {result: AddedPrompts}) {
  const t = useText(studio);
  const language = useLanguage();
  return (
    <section className="card stack" role="status">
      <h2>{fill(t.promptsAdded, {n: count(result.added, language)})}</h2>
      {result.duplicates > 0 && <p>{fill(t.promptsDuplicates, {n: count(result.duplicates, language)})}</p>}
      {result.skipped.length > 0 && (
        <>
          <p>{fill(t.promptsSkipped, {n: count(result.skipped.length, language)})}</p>
          <div className="st-table-box" tabIndex={0} role="region" aria-label={t.promptsSkippedTable}>
            <table className="st-table">
              <thead><tr><th scope="col">{t.line}</th><th scope="col">{t.reason}</th></tr></thead>
              <tbody>{result.skipped.slice(0, SHOWN).map(s => <tr key={s.line}><td>{s.line}</td><td>{s.why}</td></tr>)}</tbody>
            </table>
          </div>
          {result.skipped.length > SHOWN && <p className="muted">{fill(t.missingMore, {n: result.skipped.length - SHOWN})}</p>}
        </>
      )}
    </section>
  );
}

function PastedPrompts({project, onAdded}: Props) {
  const t = useText(studio);
  const language = useLanguage();
  const why = useWhy();
  const id = useId();
  const file = useRef<HTMLInputElement>(null);
  const [text, setText] = useState("");
  const [state, setState] = useState<{busy: boolean; error: string; result: AddedPrompts | null}>({busy: false, error: "", result: null});
  const look = useMemo(() => lookAtPrompts(text), [text]);

  const read = async (chosen: File | undefined) => {
    if (!chosen) return;
    if (chosen.size > MOST_BYTES) return setState({busy: false, error: fill(t.fileTooLarge, {name: chosen.name, most: MOST_BYTES >> 20}), result: null});
    try {
      setText(await chosen.text());
      setState({busy: false, error: "", result: null});
    } catch (error) {
      setState({busy: false, error: why(error), result: null});
    }
  };
  const send = async () => {
    if (state.busy || look.prompts === 0) return;
    setState({busy: true, error: "", result: null});
    try {
      const result = await api.post<AddedPrompts>(`/projects/${encodeURIComponent(project.id)}/prompts`, {text});
      setState({busy: false, error: "", result});
      setText("");
      void onAdded();
    } catch (error) {
      setState({busy: false, error: why(error), result: null});
    }
  };
  return (
    <div className="stack" onDragOver={e => e.preventDefault()} onDrop={e => { e.preventDefault(); void read(e.dataTransfer.files[0]); }}>
      <p className="muted">{t.promptsText}</p>
      <div className="st-field">
        <label htmlFor={id}>{t.promptsPaste}</label>
        <textarea id={id} rows={12} className="st-mono" spellCheck={false} value={text} placeholder={'{"messages": [{"role": "user", "content": "…"}]}'}
          onChange={e => setText(e.target.value)} />
      </div>
      <div className="row">
        <input ref={file} type="file" hidden accept=".jsonl,.json,.txt,.md,text/plain" onChange={e => { void read(e.target.files?.[0]); e.target.value = ""; }} />
        <Button icon="file" onClick={() => file.current?.click()}>{t.promptsFile}</Button>
        <Button kind="primary" icon="upload" busy={state.busy} disabled={look.prompts === 0} onClick={() => void send()}>
          {look.prompts === 0 ? t.promptsAdd : fill(t.promptsAddN, {n: count(look.prompts, language)})}
        </Button>
        {text !== "" && look.notes.length > 0 && <span className="st-problem">{fill(t.promptsUnread, {n: look.notes.length, line: look.notes[0]!.line})}</span>}
      </div>
      {state.error && <p role="alert" className="notice bad">{state.error}</p>}
      {state.result && <Added result={state.result} />}
    </div>
  );
}
