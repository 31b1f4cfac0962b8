// Data sets made of people's judgments, training on them, and how the next model compares with the last.
import {useEffect, useState} from "react";
import {api} from "../../api/client";
import type {Comparison, ModelList} from "../../api/types";
import {count, dateTime, fill, useLanguage, useText} from "../../i18n";
import {common} from "../../i18n/common";
import {studio} from "../../i18n/studio";
import {Link} from "../../router";
import {useSession} from "../../session";
import {stream} from "../../tab";
import {Button, Check, Dialog, Icon, Select, TextField, toast, toastError} from "../../ui";
import {percent} from "./AgreementTab";
import {useWhy} from "./calls";
import {Loaded, useLoad} from "./load";
import {Progress} from "./ProjectsView";
import type {Dataset, Job, Project, TrainStep} from "./types";

const JOBS_MS = 5000;
const SAMPLES = 20;
const STEPS: readonly TrainStep[] = ["sft", "reward", "dpo", "ppo"];

export function DataView() {
  const t = useText(studio);
  const sets = useLoad<{datasets: Dataset[]}>("/datasets");
  const jobs = useLoad<{jobs: Job[]}>("/jobs", JOBS_MS);
  return (
    <div className="page">
      <div className="page-head">
        <Link to="/studio" className="st-back"><Icon name="left" size={16} />{t.title}</Link>
        <h1>{t.dataAndTraining}</h1>
      </div>
      <Jobs jobs={jobs} />
      <section className="stack" aria-labelledby="st-sets">
        <div><h2 id="st-sets">{t.datasets}</h2><p className="muted small">{t.datasetsText}</p></div>
        <Loaded from={sets}>
          {({datasets}) => datasets.length === 0 ? <p className="muted">{t.noDatasets}</p> : (
            <ul className="st-sets">{datasets.map(set => <SetRow key={set.hash} set={set} onJob={() => void jobs.reload()} />)}</ul>
          )}
        </Loaded>
        <MakeSet onMade={() => void sets.reload()} />
      </section>
    </div>
  );
}

function Jobs({jobs}: {jobs: ReturnType<typeof useLoad<{jobs: Job[]}>>}) {
  const t = useText(studio);
  const {data, put} = jobs;
  useEffect(() => stream.on("job", ({job}) => {
    const now = data?.jobs ?? [];
    put({jobs: now.some(j => j.id === job.id) ? now.map(j => (j.id === job.id ? job : j)) : [job, ...now]});
  }), [data, put]);
  return (
    <Loaded from={jobs}>
      {({jobs: all}) => all.length === 0 ? null : (
        <section className="stack" aria-labelledby="st-jobs">
          <h2 id="st-jobs">{t.jobs}</h2>
          <ul className="st-sets">{all.map(job => <JobRow key={job.id} job={job} onChange={jobs.reload} />)}</ul>
        </section>
      )}
    </Loaded>
  );
}

function JobRow({job, onChange}: {job: Job; onChange: () => Promise<void>}) {
  const t = useText(studio);
  const [busy, setBusy] = useState(false);
  const live = job.state === "waiting" || job.state === "running";
  const stop = () => {
    setBusy(true);
    api.post(`/jobs/${encodeURIComponent(job.id)}/stop`).then(onChange).catch(toastError).finally(() => setBusy(false));
  };
  return (
    <li className="card stack st-job" data-state={job.state}>
      <div className="row">
        <h3>{job.name}</h3><span className="badge">{t[`job_${job.state}`]}</span>
        {job.step && <span className="muted small">{(t as Record<string, string>)[`step_${job.step}`] ?? job.step}</span>}
        <span className="grow" />
        {live && <Button busy={busy} icon="stop" onClick={stop} aria-label={fill(t.stopNamed, {name: job.name})}>{t.stop}</Button>}
      </div>
      {live && <Progress value={job.fraction} label={fill(t.jobProgress, {name: job.name, percent: Math.round(job.fraction * 100)})} />}
      {job.message && <p className={job.state === "failed" ? "st-problem" : "muted small"}>{job.message}</p>}
      {job.state === "done" && job.wins !== null && <Compared job={job} wins={job.wins} />}
      {job.state === "done" && job.model && <div className="row"><Link to="/blind" className="button">{t.compareBlind}</Link></div>}
    </li>
  );
}

// The new model beside the one before it: who wins how often, and what they said.
function Compared({job, wins}: {job: Job; wins: Comparison}) {
  const t = useText(studio);
  const differ = wins.wins + wins.losses;
  const words = differ === 0
    ? fill(t.winsNone, {model: job.model, last: job.compared_with, prompts: wins.prompts})
    : fill(t.winsText, {model: job.model, percent: percent(wins.share * 100), last: job.compared_with});
  return (
    <div className="st-compared">
      <p><b>{words}</b></p>
      {differ > 0 && <>
        <div className="st-wins" role="img" aria-label={words}><span className="st-wins-new" style={{width: `${wins.share * 100}%`}} /></div>
        <p className="st-wins-names small"><span>{job.model}</span><span>{job.compared_with}</span></p>
        <p className="muted small">{fill(t.winsCounts, {wins: wins.wins, losses: wins.losses, ties: wins.ties, low: percent(wins.low * 100), high: percent(wins.high * 100)})}</p>
      </>}
      <details>
        <summary>{fill(t.winsSamples, {count: Math.min(SAMPLES, wins.samples.length)})}</summary>
        <div className="st-samples">{wins.samples.slice(0, SAMPLES).map((sample, i) => (
          <section key={i}>
            <p><b>{sample.prompt}</b></p>
            <div className="st-pair">
              <div data-better={sample.left_score > sample.right_score}><h4>{job.compared_with}</h4><p>{sample.left}</p></div>
              <div data-better={sample.right_score > sample.left_score}><h4>{job.model}</h4><p>{sample.right}</p></div>
            </div>
          </section>
        ))}</div>
      </details>
    </div>
  );
}

function SetRow({set, onJob}: {set: Dataset; onJob: () => void}) {
  const t = useText(studio);
  const language = useLanguage();
  const {has} = useSession();
  const [training, setTraining] = useState(false);
  return (
    <li className="card stack">
      <div className="row">
        <h3>{set.name}</h3><code title={set.hash}>{set.hash.slice(0, 12)}</code>
        <span className="grow" />
        {has("admin") && <Button kind="primary" onClick={() => setTraining(true)} aria-label={fill(t.trainOnNamed, {name: set.name})}>{t.trainOn}</Button>}
      </div>
      <p className="muted small">{fill(t.setMade, {time: dateTime(set.created, language), rows: count(set.rows, language)})}</p>
      <p className="small">{fill(t.setFrom, {labels: count(set.from.labels, language), conversations: count(set.from.conversations, language), people: count(set.from.people, language)})}</p>
      {training && <TrainDialog set={set} onClose={() => setTraining(false)} onJob={onJob} />}
    </li>
  );
}

// As a model may be called.
function modelName(name: string) {
  return name.trim().toLowerCase().replace(/[^a-z0-9._-]+/g, "-").replace(/^[.-]+|-+$/g, "").slice(0, 64);
}

function TrainDialog({set, onClose, onJob}: {set: Dataset; onClose: () => void; onJob: () => void}) {
  const t = useText(studio);
  const tc = useText(common);
  const why = useWhy();
  const models = useLoad<ModelList>("/models");
  const [base, setBase] = useState("");
  const [steps, setSteps] = useState<TrainStep[]>(["dpo"]);
  const [name, setName] = useState(modelName(set.name));
  const [state, setState] = useState({busy: false, error: ""});
  const local = models.data?.models.filter(m => m.kind === "local") ?? [];
  const chosen = base || (local.some(m => m.id === models.data?.default) ? models.data!.default : local[0]?.id) || "";
  const ready = chosen !== "" && steps.length > 0 && name.trim() !== "";
  const train = async () => {
    if (!ready || state.busy) return;
    setState({busy: true, error: ""});
    try {
      await api.post<Job>(`/datasets/${encodeURIComponent(set.hash)}/train`, {base: chosen, steps: STEPS.filter(s => steps.includes(s)), name: name.trim()});
      toast(t.trainStarted);
      onJob();
      onClose();
    } catch (error) {
      setState({busy: false, error: why(error)});
    }
  };
  return (
    <Dialog open title={fill(t.trainTitle, {name: set.name})} onClose={onClose} onSubmit={() => void train()} actions={<>
      <Button onClick={onClose}>{tc.cancel}</Button><Button kind="primary" type="submit" busy={state.busy} disabled={!ready}>{t.train}</Button>
    </>}>
      <Select label={t.trainBase} hint={t.trainBaseHint} value={chosen} onChange={e => setBase(e.target.value)}>
        {local.map(m => <option key={m.id} value={m.id}>{m.id}</option>)}
      </Select>
      <fieldset className="st-choices">
        <legend>{t.trainSteps}</legend>
        {STEPS.map(step => (
          <label key={step}>
            <input type="checkbox" checked={steps.includes(step)} onChange={e => setSteps(e.target.checked ? [...steps, step] : steps.filter(s => s !== step))} />
            <span><b>{t[`step_${step}`]}</b> <small>{t[`step_${step}Text`]}</small></span>
          </label>
        ))}
      </fieldset>
      <TextField label={t.trainName} value={name} onChange={e => setName(e.target.value)} />
      {state.error && <p role="alert" className="st-problem">{state.error}</p>}
    </Dialog>
  );
}

function MakeSet({onMade}: {onMade: () => void}) {
  const t = useText(studio);
  const why = useWhy();
  const projects = useLoad<{projects: Project[]}>("/projects");
  const [name, setName] = useState("");
  const [chosen, setChosen] = useState<string[]>([]);
  const [feedback, setFeedback] = useState(true);
  const [most, setMost] = useState("200");
  const [edited, setEdited] = useState(false);
  const [state, setState] = useState({busy: false, error: ""});
  const cap = Number(most);
  const ready = name.trim() !== "" && (chosen.length > 0 || feedback) && Number.isInteger(cap) && cap >= 1;
  const make = async () => {
    if (!ready || state.busy) return;
    setState({busy: true, error: ""});
    try {
      await api.post<Dataset>("/datasets", {name: name.trim(), projects: chosen, feedback, most_per_person: cap, edited_only: edited});
      toast(t.setMadeToast);
      setName("");
      setState({busy: false, error: ""});
      onMade();
    } catch (error) {
      setState({busy: false, error: why(error)});
    }
  };
  return (
    <form className="card stack" aria-labelledby="st-make-set" onSubmit={e => { e.preventDefault(); void make(); }}>
      <h3 id="st-make-set">{t.makeSet}</h3>
      <TextField label={t.name} value={name} onChange={e => setName(e.target.value)} />
      <Loaded from={projects}>
        {({projects: all}) => (
          <fieldset className="st-choices">
            <legend>{t.setProjects}</legend>
            {all.length === 0 && <p className="muted">{t.noProjects}</p>}
            {all.map(p => (
              <label key={p.id}>
                <input type="checkbox" checked={chosen.includes(p.id)} onChange={e => setChosen(e.target.checked ? [...chosen, p.id] : chosen.filter(id => id !== p.id))} />
                <span>{p.name} <small>{fill(t.labelsN, {n: p.counts.labels})}</small></span>
              </label>
            ))}
          </fieldset>
        )}
      </Loaded>
      <Check label={t.setFeedback} hint={t.setFeedbackHint} checked={feedback} onChange={e => setFeedback(e.target.checked)} />
      <Check label={t.setEdited} hint={t.setEditedHint} checked={edited} onChange={e => setEdited(e.target.checked)} />
      <TextField label={t.setMost} hint={t.setMostHint} inputMode="numeric" value={most} onChange={e => setMost(e.target.value)} />
      {state.error && <p role="alert" className="st-problem">{state.error}</p>}
      <div className="row"><Button kind="primary" type="submit" busy={state.busy} disabled={!ready}>{t.makeSet}</Button></div>
    </form>
  );
}
