// The gold questions of a project: what is right, what people answered, another order, and an end to them.
import {useState} from "react";
import {api} from "../../api/client";
import type {GoldQuestion} from "../../api/types";
import {fill, useText} from "../../i18n";
import {common} from "../../i18n/common";
import {studio} from "../../i18n/studio";
import {Button, toast, toastError} from "../../ui";
import {useWhy} from "./calls";
import {Conversation} from "./Conversation";
import {answerName} from "./labels";
import {Loaded, type Loading} from "./load";
import {RankBoard} from "./RankBoard";
import {isComplete, type Ranks} from "./ranks";
import {Markdown} from "../../markdown/Markdown";

const percent = (share: number) => String(Math.round(share * 100));

export function GoldList({from}: {from: Loading<{questions: GoldQuestion[]}>}) {
  const t = useText(studio);
  return (
    <Loaded from={from}>
      {({questions}) => questions.length === 0 ? <p className="muted">{t.goldNone}</p> : (
        <ul className="st-items">
          {questions.map(question => <li key={question.item}><Question question={question} reload={from.reload} /></li>)}
        </ul>
      )}
    </Loaded>
  );
}

function Question({question, reload}: {question: GoldQuestion; reload: () => Promise<void>}) {
  const t = useText(studio);
  const [changing, setChanging] = useState(false);
  const [busy, setBusy] = useState(false);
  const name = [...question.messages].reverse().find(m => m.role === "user")?.content.slice(0, 80) ?? "";
  const retire = async (retired: boolean) => {
    setBusy(true);
    try {
      await api.patch(`/items/${encodeURIComponent(question.item)}/gold`, {retired});
      toast(retired ? t.goldRetired : t.goldBackAgain);
      await reload();
    } catch (error) {
      toastError(error);
    }
    setBusy(false);
  };
  return (
    <article className="card stack" aria-label={name}>
      <Conversation messages={question.messages} />
      <div className="row">
        {question.retired && <span className="badge">{t.goldRetiredBadge}</span>}
        <span>{question.right === null ? t.goldUnanswered : fill(t.goldRight2, {percent: percent(question.right), n: question.labels.length})}</span>
      </div>
      <div className="st-table-box" tabIndex={0} role="region" aria-label={fill(t.goldAnswersOf, {prompt: name})}>
        <table className="st-table st-side">
          <thead><tr><th scope="col">{t.answerColumn}</th><th scope="col">{t.goldOrder}</th>{question.labels.map(label => <th key={label.id} scope="col">{label.name || label.person}</th>)}</tr></thead>
          <tbody>
            {question.answers.map((answer, i) => (
              <tr key={answer.id}>
                <th scope="row"><b className="st-letter">{answerName(i)}</b><div className="st-side-text"><Markdown text={answer.content} /></div></th>
                <td>{question.ranks[answer.id]}</td>
                {question.labels.map(label => <td key={label.id} data-differ={label.ranks?.[answer.id] !== question.ranks[answer.id] ? "" : undefined}>{label.ranks?.[answer.id] ?? "–"}</td>)}
              </tr>
            ))}
            {question.labels.length > 0 && (
              <tr><th scope="row">{t.goldRight}</th><td />{question.labels.map(label => <td key={label.id}>{label.gold_score === null ? "–" : `${percent(label.gold_score)} %`}</td>)}</tr>
            )}
          </tbody>
        </table>
      </div>
      {changing ? <Change question={question} reload={reload} onClose={() => setChanging(false)} /> : (
        <div className="row">
          <Button icon="edit" aria-label={fill(t.goldChangeOf, {prompt: name})} onClick={() => setChanging(true)}>{t.goldChange}</Button>
          <Button busy={busy} aria-label={fill(question.retired ? t.goldReturnOf : t.goldRetireOf, {prompt: name})} onClick={() => void retire(!question.retired)}>
            {question.retired ? t.goldReturn : t.goldRetire}
          </Button>
        </div>
      )}
    </article>
  );
}

function Change({question, reload, onClose}: {question: GoldQuestion; reload: () => Promise<void>; onClose: () => void}) {
  const t = useText(studio);
  const tc = useText(common);
  const why = useWhy();
  const [ranks, setRanks] = useState<Ranks>(question.ranks);
  const [said, announce] = useState("");
  const [state, setState] = useState({busy: false, error: ""});
  const ready = isComplete(ranks, question.answers.map(a => a.id));
  const save = async () => {
    if (!ready || state.busy) return;
    setState({busy: true, error: ""});
    try {
      const {rescored} = await api.patch<{rescored: number}>(`/items/${encodeURIComponent(question.item)}/gold`, {ranks});
      toast(fill(t.goldChanged, {n: rescored}));
      onClose();
      await reload();
    } catch (error) {
      setState({busy: false, error: why(error)});
    }
  };
  return (
    <section className="stack" aria-label={t.goldChange}>
      <p className="muted small">{t.goldChangeText}</p>
      <p className="visually-hidden" role="status" aria-live="polite">{said}</p>
      <RankBoard answers={question.answers} ranks={ranks} onChange={setRanks} announce={announce} />
      {state.error && <p role="alert" className="notice bad">{state.error}</p>}
      <div className="row"><Button kind="primary" busy={state.busy} disabled={!ready} onClick={() => void save()}>{t.goldChangeSave}</Button><Button onClick={onClose}>{tc.cancel}</Button></div>
    </section>
  );
}
