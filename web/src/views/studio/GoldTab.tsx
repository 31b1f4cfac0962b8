// Gold questions: a prompt, its answers, and the order that is right. They are handed out among the others, unmarked. Those that
// are there are shown with what people answered (GoldList), and a new one is made below.
import {useState} from "react";
import {api} from "../../api/client";
import type {AddedPrompts, GoldQuestion} from "../../api/types";
import {fill, useText} from "../../i18n";
import {studio} from "../../i18n/studio";
import {Button, IconButton, TextArea} from "../../ui";
import {useWhy} from "./calls";
import {GoldList} from "./GoldList";
import {answerName} from "./labels";
import {useLoad} from "./load";
import {RankBoard} from "./RankBoard";
import {groups, isComplete, lift, type Ranks} from "./ranks";
import type {Answer, Project} from "./types";

const MOST = 9;
let made = 0;
const blank = (): Answer => ({id: `g${++made}`, content: ""});
const start = (k: number): Answer[] => Array.from({length: k}, blank);

export function GoldTab({project, onAdded}: {project: Project; onAdded: () => Promise<void>}) {
  const t = useText(studio);
  const why = useWhy();
  const there = useLoad<{questions: GoldQuestion[]}>(`/projects/${encodeURIComponent(project.id)}/gold`);
  const [prompt, setPrompt] = useState("");
  const [answers, setAnswers] = useState(() => start(project.k));
  const [ranks, setRanks] = useState<Ranks>({});
  const [said, announce] = useState("");
  const [state, setState] = useState<{busy: boolean; error: string; done: string}>({busy: false, error: "", done: ""});
  const written = answers.every(a => a.content.trim() !== "");
  const ready = prompt.trim() !== "" && written && isComplete(ranks, answers.map(a => a.id));

  const save = async () => {
    if (!ready || state.busy) return;
    setState({busy: true, error: "", done: ""});
    const index = (id: string) => answers.findIndex(a => a.id === id);
    const gold = {ranking: groups(ranks).map(row => row.map(index)), answers: answers.map(a => a.content.trim())};
    try {
      const result = await api.post<AddedPrompts>(`/projects/${encodeURIComponent(project.id)}/prompts`,
        {prompts: [{messages: [{role: "user", content: prompt.trim()}], gold}]});
      if (result.added === 0) {
        setState({busy: false, error: result.skipped[0]?.why ?? t.goldDuplicate, done: ""});
        return;
      }
      setState({busy: false, error: "", done: t.goldAdded});
      setPrompt("");
      setAnswers(start(project.k));
      setRanks({});
      void there.reload();
      void onAdded();
    } catch (error) {
      setState({busy: false, error: why(error), done: ""});
    }
  };
  return (
    <div className="stack">
      <p className="muted">{t.goldText}</p>
      <p className="visually-hidden" role="status" aria-live="polite">{said}</p>
      <GoldList from={there} />
      <h2>{t.goldNew}</h2>
      <TextArea label={t.goldPrompt} rows={3} value={prompt} onChange={e => setPrompt(e.target.value)} />
      <div className="st-gold-answers">
        {answers.map((answer, i) => (
          <div key={answer.id} className="st-gold-answer">
            <TextArea label={fill(t.answer, {answer: answerName(i)})} rows={3} value={answer.content}
              onChange={e => setAnswers(answers.map(a => (a.id === answer.id ? {...a, content: e.target.value} : a)))} />
            {answers.length > 2 && (
              <IconButton icon="trash" label={fill(t.goldRemove, {answer: answerName(i)})}
                onClick={() => { setAnswers(answers.filter(a => a.id !== answer.id)); setRanks(now => lift(now, answer.id)); }} />
            )}
          </div>
        ))}
      </div>
      {answers.length < MOST && <div className="row"><Button icon="plus" onClick={() => setAnswers([...answers, blank()])}>{t.goldMore}</Button></div>}
      <h2>{t.goldOrder}</h2>
      {written ? <RankBoard answers={answers} ranks={ranks} onChange={setRanks} announce={announce} /> : <p className="muted">{t.goldOrderLater}</p>}
      {state.error && <p role="alert" className="notice bad">{state.error}</p>}
      {state.done && <p role="status" className="notice">{state.done}</p>}
      <div className="row"><Button kind="primary" busy={state.busy} disabled={!ready} onClick={() => void save()}>{t.goldSave}</Button></div>
    </div>
  );
}
