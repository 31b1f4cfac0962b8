// Prompts that people ranked differently, their orders side by side, and a reviewer's decision that stands instead.
import {useState} from "react";
import {api} from "../../api/client";
import {fill, useText} from "../../i18n";
import {common} from "../../i18n/common";
import {studio} from "../../i18n/studio";
import {Button, toast} from "../../ui";
import {useWhy} from "./calls";
import {Conversation} from "./Conversation";
import {LabelEditor} from "./LabelEditor";
import {answerName, missingIn, restore, toSend} from "./labels";
import {taskOf} from "./LabelView";
import {Loaded, useLoad} from "./load";
import {Markdown} from "../../markdown/Markdown";
import type {Answer, Draft, Project, RankingDraft, StoredLabel, Turn} from "./types";

interface Item {
  item: string;
  messages: Turn[];
  answers: Answer[];
  labels: StoredLabel[];
}

export function DisagreementsTab({project}: {project: Project}) {
  const t = useText(studio);
  const loading = useLoad<{items: Item[]}>(`/projects/${encodeURIComponent(project.id)}/disagreements`);
  return (
    <div className="stack">
      <p className="muted">{t.disagreementsText}</p>
      <Loaded from={loading}>
        {({items}) => items.length === 0 ? <div className="st-empty"><p>{t.noDisagreements}</p></div> : (
          <ul className="st-items">
            {items.map(item => (
              <li key={item.item}><Disagreement item={item} project={project} onDecided={() => loading.put({items: items.filter(i => i.item !== item.item)})} /></li>
            ))}
          </ul>
        )}
      </Loaded>
    </div>
  );
}

function Disagreement({item, project, onDecided}: {item: Item; project: Project; onDecided: () => void}) {
  const t = useText(studio);
  const [deciding, setDeciding] = useState(false);
  const question = [...item.messages].reverse().find(m => m.role === "user")?.content ?? "";
  return (
    <article className="card stack" aria-label={question.slice(0, 80)}>
      <Conversation messages={item.messages} />
      <div className="st-table-box" tabIndex={0} role="region" aria-label={t.ranksSideBySide}>
        <table className="st-table st-side">
          <thead>
            <tr><th scope="col">{t.answerColumn}</th>{item.labels.map(l => <th key={l.id} scope="col">{l.name}</th>)}</tr>
          </thead>
          <tbody>
            {item.answers.map((answer, i) => {
              const ranks = item.labels.map(l => (l.label as RankingDraft).ranks?.[answer.id]);
              const differ = new Set(ranks).size > 1;
              return (
                <tr key={answer.id}>
                  <th scope="row"><b className="st-letter">{answerName(i)}</b><div className="st-side-text"><Markdown text={answer.content} /></div></th>
                  {item.labels.map((l, j) => <td key={l.id} data-differ={differ ? "" : undefined}>{ranks[j] ?? "–"}</td>)}
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
      {item.labels.some(l => (l.label as RankingDraft).comment) && (
        <ul className="st-comments">
          {item.labels.filter(l => (l.label as RankingDraft).comment).map(l => <li key={l.id}><b>{l.name}:</b> {(l.label as RankingDraft).comment}</li>)}
        </ul>
      )}
      {deciding
        ? <Adjudicate item={item} project={project} onDone={() => { toast(t.decided); onDecided(); }} onCancel={() => setDeciding(false)} />
        : <div className="row"><Button kind="primary" onClick={() => setDeciding(true)}>{t.decide}</Button></div>}
    </article>
  );
}

function Adjudicate({item, project, onDone, onCancel}: {item: Item; project: Project; onDone: () => void; onCancel: () => void}) {
  const t = useText(studio);
  const tc = useText(common);
  const why = useWhy();
  const task = taskOf(item, project);
  const [draft, setDraft] = useState<Draft>(() => restore(task, null));
  const [state, setState] = useState({busy: false, error: ""});
  const missing = missingIn(task, draft, project.criteria);
  const save = async () => {
    if (state.busy) return;
    setState({busy: true, error: ""});
    try {
      await api.post(`/items/${encodeURIComponent(item.item)}/adjudicate`, toSend(task, draft, 0));
      onDone();
    } catch (error) {
      setState({busy: false, error: why(error)});
    }
  };
  return (
    <section className="stack st-adjudicate" aria-label={t.decide}>
      <div className="row">
        <span>{t.startFrom}</span>
        {item.labels.map(l => <Button key={l.id} onClick={() => setDraft(restore(task, l.label))}>{fill(t.startFromName, {name: l.name})}</Button>)}
      </div>
      <LabelEditor task={task} project={project} draft={draft} onChange={patch => setDraft(now => ({...now, ...patch}) as Draft)} />
      {state.error && <p role="alert" className="st-problem">{state.error}</p>}
      <div className="row">
        <Button kind="primary" busy={state.busy} disabled={missing.length > 0} onClick={() => void save()}>{t.decideSave}</Button>
        <Button onClick={onCancel}>{tc.cancel}</Button>
        {missing.length > 0 && <span className="muted small">{fill(t.missingSome, {n: missing.length})}</span>}
      </div>
    </section>
  );
}
