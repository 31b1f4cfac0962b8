// A labeler's place: the guidelines beside, the task in the middle, and what can be done with it below.
import {useEffect, useMemo, useRef, useState} from "react";
import {api} from "../../api/client";
import {fill, useText} from "../../i18n";
import {common} from "../../i18n/common";
import {studio} from "../../i18n/studio";
import {Link} from "../../router";
import {Button, Dialog, Icon, Spinner, toastError} from "../../ui";
import {useWhy} from "./calls";
import {Correct} from "./Correct";
import {Guidelines} from "./Guidelines";
import {answerName, labelText, missingIn, type Missing} from "./labels";
import {TaskBody} from "./LabelEditor";
import {SkipDialog} from "./SkipDialog";
import {SubmitBar} from "./SubmitBar";
import {useWork, type Sent} from "./useWork";
import type {Project, Task} from "./types";

export function WorkView({project: id}: {project: string}) {
  const [project, setProject] = useState<Project | null>(null);
  const [error, setError] = useState<unknown>(null);
  const t = useText(common);
  const why = useWhy();
  const load = () => {
    setError(null);
    api.get<Project>(`/projects/${encodeURIComponent(id)}`).then(setProject, setError);
  };
  useEffect(load, [id]);
  if (error) return <div className="center-message"><p role="alert">{why(error)}</p><Button kind="primary" onClick={load}>{t.retry}</Button></div>;
  if (!project) return <div className="center-message"><Spinner label={t.loading} /></div>;
  return <WorkAt key={project.id} project={project} />;
}

function WorkAt({project}: {project: Project}) {
  const t = useText(studio);
  const tc = useText(common);
  const why = useWhy();
  const {work, draft, change, saved, sending, submit, skip, leave, take, sent, forgetSent, seconds} = useWork(project.id);
  const [said, announce] = useState("");
  const [accepted, setAccepted] = useState("");
  const [tried, setTried] = useState(false);
  const [dialog, setDialog] = useState<"" | "skip" | "flag" | "keys">("");
  const [correcting, setCorrecting] = useState<Sent | null>(null);
  const top = useRef<HTMLHeadingElement>(null);
  const task = work.at === "task" ? work.task : null;
  const missing = useMemo(() => (task && draft ? missingIn(task, draft, project.criteria) : []), [task, draft, project.criteria]);
  const warning = task?.warning || project.warning;
  const gated = task !== null && warning !== "" && accepted !== warning;

  useEffect(() => {
    if (!task) return;
    setTried(false);
    top.current?.focus({preventScroll: true});
    top.current?.closest("main")?.scrollTo({top: 0});
  }, [task]);

  const send = () => {
    setTried(true);
    if (missing.length > 0) {
      announce(fill(t.missingSome, {n: missing.length}));
      document.querySelector<HTMLElement>("[data-wanting], [aria-invalid=true]")?.scrollIntoView({block: "center", behavior: "smooth"});
      return;
    }
    void submit();
  };
  useEffect(() => {
    const keys = (event: KeyboardEvent) => {
      if (dialog !== "" || gated || event.isComposing) return;
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        send();
      } else if (event.key === "?" && !(event.target as HTMLElement).closest?.("input:not([type=radio], [type=checkbox]), textarea, select")) {
        event.preventDefault();
        setDialog("keys");
      }
    };
    document.addEventListener("keydown", keys);
    return () => document.removeEventListener("keydown", keys);
  });

  const flagged = draft && "flagged" in draft ? draft.flagged : "";
  return (
    <div className="st-work">
      <Guidelines project={project} />
      <div className="st-main">
        <header className="st-work-head">
          <Link to="/studio" className="st-back"><Icon name="left" size={16} />{t.title}</Link>
          <h1 ref={top} tabIndex={-1}>{project.name}</h1>
          <span className="badge">{t[`kind_${project.kind}`]}</span>
          <span className="grow" />
          {task && <TaskClock task={task} seconds={seconds} />}
          <Button kind="quiet" className="st-keys-button" onClick={() => setDialog("keys")}>{t.keys}</Button>
        </header>
        <p className="visually-hidden" role="status" aria-live="polite">{said}</p>
        {sent && (
          <div className="st-sent" role="status">
            <Icon name="check" size={18} /><span>{t.sent}</span>
            <Button kind="quiet" onClick={() => setCorrecting(sent)}>{t.correctIt}</Button>
          </div>
        )}
        {work.at === "loading" && <div className="center-message"><Spinner label={tc.loading} /></div>}
        {work.at === "failed" && (
          <div className="center-message"><p role="alert">{why(work.error)}</p><Button kind="primary" onClick={() => void take()}>{tc.retry}</Button></div>
        )}
        {work.at === "none" && (
          <div className="center-message">
            <h2>{t.nothingLeft}</h2><p>{t.nothingLeftText}</p>
            <div className="row"><Button onClick={() => void take()}>{t.lookAgain}</Button><Link to="/studio" className="button">{t.toProjects}</Link></div>
          </div>
        )}
        {task && gated && (
          <section className="st-gate" aria-labelledby="st-gate-title">
            <Icon name="warning" size={32} />
            <h2 id="st-gate-title">{t.warningTitle}</h2>
            <p>{warning}</p>
            <p className="muted">{t.warningText}</p>
            <div className="row">
              <Button kind="primary" onClick={() => setAccepted(warning)}>{t.warningGoOn}</Button>
              <Button onClick={() => void skip(t.skip_disturbing).catch(toastError)}>{t.warningSkip}</Button>
              <Link to="/studio" className="button quiet">{t.warningLeave}</Link>
            </div>
          </section>
        )}
        {task && draft && !gated && (
          <>
            {work.at === "task" && work.restored && <p className="notice small" role="status">{t.restored}</p>}
            {flagged !== "" && (
              <div className="notice st-flagged"><Icon name="flag" size={18} /><span><b>{t.flaggedTitle}</b> {flagged}</span>
                <Button kind="quiet" onClick={() => change({flagged: ""})}>{t.unflag}</Button></div>
            )}
            <TaskBody key={task.id} task={task} project={project} label={draft} change={change} announce={announce} missing={missing}
              tried={tried} busy={sending.state === "sending"} />
            <SubmitProblem sending={sending} text={() => labelText(task.kind, draft, a => answerName(task.answers.findIndex(x => x.id === a)))}
              retry={() => void submit()} leave={() => void leave()} />
            <SubmitBar saved={saved} sending={sending} missing={tried ? missing : []} name={nameOf(task)} onSubmit={send}
              onSkip={() => setDialog("skip")} onFlag={task.kind === "ranking" ? () => setDialog("flag") : undefined} />
          </>
        )}
      </div>
      <SkipDialog open={dialog === "skip"} onClose={() => setDialog("")} onSkip={skip} />
      {draft && dialog === "flag" && <FlagDialog text={flagged} onClose={() => setDialog("")} onFlag={text => change({flagged: text})} />}
      <KeysDialog open={dialog === "keys"} kind={project.kind} onClose={() => setDialog("")} />
      {correcting && <Correct sent={correcting} project={project} onClose={() => setCorrecting(null)} onDone={() => { setCorrecting(null); forgetSent(); }} />}
    </div>
  );
}

const nameOf = (task: Task) => (missing: Missing) => answerName(task.answers.findIndex(a => a.id === missing.answer));

// Time spent, and when the task is taken back.
function TaskClock({task, seconds}: {task: Task; seconds: () => number}) {
  const t = useText(studio);
  const [, tick] = useState(0);
  useEffect(() => {
    const id = setInterval(() => tick(n => n + 1), 1000);
    return () => clearInterval(id);
  }, []);
  const spent = Math.floor(seconds());
  const left = task.expires ? Math.floor(task.expires - Date.now() / 1000) : null;
  const clock = `${Math.floor(spent / 60)}:${String(spent % 60).padStart(2, "0")}`;
  return (
    <span className="st-clock" data-late={left !== null && left < 120 ? "" : undefined}>
      <span aria-label={fill(t.spent, {time: clock})} role="timer">{clock}</span>
      {left !== null && <small>{left > 0 ? fill(t.minutesLeft, {n: Math.ceil(left / 60)}) : t.timeIsUp}</small>}
    </span>
  );
}

interface ProblemProps {
  sending: ReturnType<typeof useWork>["sending"];
  text: () => string;
  retry: () => void;
  leave: () => void;
}
function SubmitProblem({sending, text, retry, leave}: ProblemProps) {
  const t = useText(studio);
  const tc = useText(common);
  const [copied, setCopied] = useState<"" | "copied" | "shown">("");
  if (sending.state !== "refused" && sending.state !== "unsent") return null;
  const copy = () => navigator.clipboard.writeText(text()).then(() => setCopied("copied"), () => setCopied("shown"));
  return (
    <div className="notice bad st-problem-box" role="alert">
      <h2>{sending.state === "refused" ? t[`refused_${sending.why}`] : sending.network ? t.unsentNetwork : t.unsent}</h2>
      <p>{sending.state === "refused" ? t[`refused_${sending.why}Text`] : sending.network ? t.unsentNetworkText : sending.message}</p>
      <div className="row">
        {sending.state === "unsent" && <Button kind="primary" icon="again" onClick={retry}>{tc.retry}</Button>}
        <Button icon="copy" onClick={() => void copy()}>{copied === "copied" ? tc.copied : t.copyWritten}</Button>
        {sending.state === "refused" && <Button kind="primary" onClick={leave}>{t.nextTask}</Button>}
      </div>
      {copied === "shown" && <textarea readOnly rows={6} value={text()} aria-label={t.copyWritten} onFocus={e => e.target.select()} />}
    </div>
  );
}

function FlagDialog({text, onClose, onFlag}: {text: string; onClose: () => void; onFlag: (text: string) => void}) {
  const t = useText(studio);
  const tc = useText(common);
  const [value, setValue] = useState(text);
  const done = () => {
    if (value.trim() === "") return;
    onFlag(value.trim());
    onClose();
  };
  return (
    <Dialog open title={t.flagTask} onClose={onClose} onSubmit={done} actions={<>
      <Button onClick={onClose}>{tc.cancel}</Button><Button kind="primary" type="submit" disabled={value.trim() === ""}>{t.flagTask}</Button>
    </>}>
      <p>{t.flagTaskText}</p>
      <label className="st-field"><span>{t.flagTaskWhy}</span>
        <textarea rows={3} value={value} autoFocus onChange={e => setValue(e.target.value)} /></label>
    </Dialog>
  );
}

function KeysDialog({open, kind, onClose}: {open: boolean; kind: Project["kind"]; onClose: () => void}) {
  const t = useText(studio);
  const rows: [string, string][] = [["Ctrl Enter", t.key_send], ["Ctrl Shift P", t.key_preview], ["?", t.key_help]];
  if (kind === "ranking") {
    rows.unshift(["1 … 9", t.key_digits], ["↑ ↓", t.key_arrows], ["T", t.key_tie], ["0", t.key_lift], ["Shift 1 … 7", t.key_score], ["Tab", t.key_tab]);
  }
  if (kind === "dialogue") rows.unshift(["Ctrl Enter", t.key_turn]);
  if (kind === "redteam") rows.unshift(["Enter", t.key_attack]);
  return (
    <Dialog open={open} title={t.keys} onClose={onClose}>
      {kind === "ranking" && <p>{t.keysRanking}</p>}
      <dl className="st-keys">
        {rows.map(([keys, what]) => (
          <div key={keys + what}><dt>{keys.split(" ").map((key, i) => <kbd key={i}>{key}</kbd>)}</dt><dd>{what}</dd></div>
        ))}
      </dl>
    </Dialog>
  );
}
