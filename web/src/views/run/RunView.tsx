// The recipe as it runs: how far it is, its curves, and every stage's model asked side by side.
import {useEffect, useState} from "react";
import type {ModelList} from "../../api/types";
import {fetchProgress, type Progress, type Stage} from "../../recipe";
import {fill, useText} from "../../i18n";
import {run} from "../../i18n/run";
import {AskEvery} from "./AskEvery";
import {Chart} from "./Chart";
import {curveName, duration, plainName, stageName, tintOf} from "./names";
import {short, type Point} from "./series";
import "./run.css";

interface Curves {
  stages?: {name: string; columns: string[]; rows: (number | null)[][]}[];
}
interface Seen {
  progress: Progress;
  curves: Curves;
  models: string[];
  suggestions: string[];
}
const NOT_CURVES = new Set(["step", "seconds", "time", "tokens", "epoch", "iteration", "lr", "learning_rate"]);

async function json<T>(path: string): Promise<T> {
  const response = await fetch(path, {cache: "no-store"});
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return (await response.json()) as T;
}

// Follows the run; what it knows is null until the first answer.
function useRun(): {seen: Seen | null; away: boolean} {
  const [seen, setSeen] = useState<Seen | null>(null);
  const [away, setAway] = useState(false);
  useEffect(() => {
    let live = true;
    let timer: ReturnType<typeof setTimeout>;
    let suggestions: string[] = [];
    let before = "";
    const ask = async () => {
      let wait = 2000;
      try {
        if (!document.hidden) {
          const [progress, curves, models] = await Promise.all([
            fetchProgress(), json<Curves>("/api/app/run/curves"), json<ModelList>("/api/app/models").then(list => list.models.filter(m => m.kind === "local").map(m => m.id), () => [])]);
          if (models.join() !== before || !suggestions.length) ({suggestions} = await json<{suggestions: string[]}>("/api/app/run/suggestions"));
          before = models.join();
          if (live) setSeen({progress, curves, models, suggestions});
          if (progress.state === "done") wait = 15_000;
        }
        if (live) setAway(false);
      } catch {
        if (live) setAway(true);
        wait = 4000;
      }
      if (live) timer = setTimeout(() => void ask(), wait);
    };
    void ask();
    return () => {
      live = false;
      clearTimeout(timer);
    };
  }, []);
  return {seen, away};
}

function Bar({fraction, label}: {fraction: number; label: string}) {
  const percent = Math.round(100 * fraction);
  return (
    <div className="bar" role="progressbar" aria-label={label} aria-valuemin={0} aria-valuemax={100} aria-valuenow={percent}>
      <svg aria-hidden="true" viewBox="0 0 100 1" preserveAspectRatio="none"><rect width={100 * fraction} height="1" /></svg>
    </div>
  );
}

function Mark({state}: {state: string}) {
  return (
    <svg viewBox="0 0 20 20" className="mark" aria-hidden="true">
      <circle className="ring" cx="10" cy="10" r="8" />
      {state === "done" && <path className="tick" d="M6 10.5l2.700 2.700L14 7.500" />}
      {state === "failed" && <path className="tick" d="M7 7l6 6M13 7l-6 6" />}
    </svg>
  );
}

const STATES = ["done", "running", "pending", "failed"] as const;
function StageCard({stage}: {stage: Stage}) {
  const t = useText(run);
  const state = STATES.find(s => s === stage.state) ?? "pending";
  const parts: string[] = [];
  const speed = () => { if (stage.tokens_per_second) parts.push(fill(t.tokensPerSecond, {n: short(stage.tokens_per_second)})); };
  if (state === "running") {
    if (stage.step !== undefined && stage.steps) parts.push(fill(t.step, {n: stage.step, m: stage.steps}));
    speed();
    if (typeof stage.seconds_left === "number") parts.push(fill(t.leftShort, {time: duration(stage.seconds_left, t)}));
    if (!parts.length && stage.message) parts.push(stage.message);
  } else if (state === "failed") {
    parts.push(stage.message || t.state_failed);
  } else if (state === "done") {
    if (typeof stage.seconds === "number") parts.push(duration(stage.seconds, t));
    speed();
  }
  const fraction = stage.fraction ?? (stage.steps ? (stage.step ?? 0) / stage.steps : 0);
  return (
    <li className={`stage ${state}`}>
      <div className="line"><Mark state={state} /><span>{stageName(stage.name, t)}</span><span className="visually-hidden">{t[`state_${state}`]}</span></div>
      <p className="detail">{parts.join(" · ")}</p>
      {state === "running" && <Bar fraction={Math.min(1, Math.max(0, fraction))} label={stageName(stage.name, t)} />}
    </li>
  );
}

function progressLine(progress: Progress, fraction: number, t: (typeof run)["en"]): string {
  const {state, seconds, seconds_left: left} = progress;
  if (state === "done") return typeof seconds === "number" ? fill(t.finishedIn, {time: duration(seconds, t)}) : t.finished;
  const parts: string[] = [];
  const running = progress.stages?.find(s => s.state === "running");
  if (state === "failed") parts.push(progress.message || t.stoppedByError);
  else if (running) parts.push(fill(t.ofWhole, {stage: stageName(running.name, t), n: Math.round(100 * fraction)}));
  else parts.push(t.waiting);
  if (typeof seconds === "number") parts.push(fill(t.soFar, {time: duration(seconds, t)}));
  if (typeof left === "number") parts.push(fill(t.left, {time: duration(left, t)}));
  return parts.join(" · ");
}

function StageCurves({stage}: {stage: NonNullable<Curves["stages"]>[number]}) {
  const t = useText(run);
  const step = stage.columns.indexOf("step");
  const lines = stage.columns.flatMap((column, at) => {
    if (NOT_CURVES.has(column)) return [];
    const points = stage.rows.map((row, i) => [step >= 0 ? row[step] : i, row[at]]).filter((p): p is [number, number] => typeof p[0] === "number" && typeof p[1] === "number") as Point[];
    return points.length < 2 ? [] : [{column, name: curveName(column, t), points}];
  });
  if (!lines.length) return null;
  const more = lines.filter(line => line.name === null);
  return (
    <div className={`stage-curves ${tintOf(stage.name)}`}>
      <h3>{stageName(stage.name, t)}</h3>
      <div className="chart-row">{lines.map(line => line.name !== null && <Chart key={line.column} title={line.name} points={line.points} />)}</div>
      {more.length > 0 && <details className="more"><summary>{t.moreCurves}</summary><div className="chart-row">{more.map(line => <Chart key={line.column} title={plainName(line.column)} points={line.points} />)}</div></details>}
    </div>
  );
}

export default function RunView() {
  const t = useText(run);
  const {seen, away} = useRun();
  const progress = seen?.progress ?? {};
  const stages = progress.stages ?? [];
  const counted = stages.length ? stages.reduce((sum, s) => sum + (s.state === "done" ? 1 : s.fraction ?? 0), 0) / stages.length : 0;
  const fraction = Math.min(1, Math.max(0, progress.state === "done" ? 1 : progress.fraction ?? counted));
  const about = [progress.recipe && fill(t.recipe, {name: progress.recipe}), progress.scale && fill(t.scale, {name: progress.scale}), typeof progress.seed === "number" && fill(t.seed, {n: progress.seed})].filter(Boolean).join(" · ");
  return (
    <div className="page run">
      <div className="page-head"><h1>{t.title}</h1><p className="muted">{about || t.subtitle}</p><span className="grow" />{progress.state === "done" && <a className="button" href="/report.html">{t.report}</a>}</div>
      <div role="status">{away && <p className="notice">{t.offline}</p>}</div>
      <AskEvery models={seen?.models ?? []} suggestions={seen?.suggestions ?? []} />
      <section aria-labelledby="run-progress" className="stack">
        <div className="page-head"><h2 id="run-progress">{t.progress}</h2><p className="muted" role="status">{seen && !stages.length ? t.none : progressLine(progress, fraction, t)}</p></div>
        <Bar fraction={fraction} label={t.whole} />
        <ol className="stages">{stages.map(stage => <StageCard key={stage.name} stage={stage} />)}</ol>
      </section>
      <section aria-labelledby="run-curves" className="stack">
        <div className="page-head"><h2 id="run-curves">{t.curves}</h2><p className="muted">{t.curvesText}</p></div>
        {seen?.curves.stages?.length ? <div className="charts">{seen.curves.stages.map(stage => <StageCurves key={stage.name} stage={stage} />)}</div> : <p className="muted">{t.noCurves}</p>}
      </section>
      <p className="muted small">{t.api}</p>
    </div>
  );
}
