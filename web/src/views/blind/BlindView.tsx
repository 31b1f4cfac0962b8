// Two unnamed models answer; the person votes; then the names are shown, and the score of all votes.
import {useCallback, useEffect, useRef, useState} from "react";
import {api} from "../../api/client";
import type {BlindChoice, BlindPair, BlindScore, MessageState} from "../../api/types";
import {fill, useText} from "../../i18n";
import {blind} from "../../i18n/blind";
import {chat} from "../../i18n/chat";
import {Markdown} from "../../markdown/Markdown";
import {useModels} from "../../models";
import {setStreamBusy, stream} from "../../tab";
import {Button, TextArea, toastError} from "../../ui";
import {isSendKey} from "../chat/Composer";
import "./blind.css";

interface Answer {
  content: string;
  state: MessageState;
  error: string;
}
type Answers = Record<string, Answer>; // by message

export default function BlindView() {
  const t = useText(blind);
  const tc = useText(chat);
  const models = useModels();
  const [question, setQuestion] = useState("");
  const [pair, setPair] = useState<BlindPair | null>(null);
  const [answers, setAnswers] = useState<Answers>({});
  const [names, setNames] = useState<{left: string; right: string} | null>(null);
  const [scores, setScores] = useState<BlindScore[] | null>(null);
  const [busy, setBusy] = useState(false);
  const all = useRef<Answers>({}); // pieces may come before the call's answer
  const pending = useRef(false);
  const shown = useRef<BlindPair | null>(null);

  const loadScores = useCallback(() => {
    api.get<{models: BlindScore[]}>("/blind/scores").then(({models: list}) => setScores(list), () => {});
  }, []);
  useEffect(loadScores, [loadScores]);
  useEffect(() => {
    const draw = () => {
      if (pending.current) return;
      pending.current = true;
      setTimeout(() => {
        pending.current = false;
        setAnswers({...all.current});
      }, 40);
    };
    const put = (id: string, change: (now: Answer) => Answer) => {
      all.current[id] = change(all.current[id] ?? {content: "", state: "writing", error: ""});
      draw();
    };
    const stops = [
      stream.on("snapshot", ({message}) => put(message.id, () => message)),
      stream.on("delta", ({message, content = ""}) => put(message, now => ({...now, content: now.content + content}))),
      stream.on("done", ({message}) => put(message.id, () => message)),
      stream.on("hello", () => {
        // What ended while the line was away has no snapshot: it is read.
        const now = shown.current;
        if (!now) return;
        for (const side of [now.left, now.right]) {
          if (all.current[side.message]?.state && all.current[side.message]!.state !== "writing") continue;
          setTimeout(() => {
            api.get<{messages: (Answer & {id: string})[]}>(`/conversations/${encodeURIComponent(side.conversation)}`)
              .then(({messages}) => { const found = messages.find(m => m.id === side.message); if (found && found.state !== "writing") put(found.id, () => found); }, () => {});
          }, 300);
        }
      }),
    ];
    return () => stops.forEach(stop => stop());
  }, []);

  const of = (side: "left" | "right"): Answer => (pair && answers[pair[side].message]) || {content: "", state: "writing", error: ""};
  const complete = pair !== null && of("left").state !== "writing" && of("right").state !== "writing";
  useEffect(() => setStreamBusy(pair && !complete ? 1 : 0), [pair, complete]);

  const ask = async () => {
    if (!question.trim() || busy) return;
    setBusy(true);
    try {
      all.current = {};
      const next = await api.post<BlindPair>("/blind", {content: question, tab: stream.tab});
      shown.current = next;
      setPair(next);
      setNames(null);
      setAnswers({...all.current});
    } catch (error) {
      toastError(error);
    } finally {
      setBusy(false);
    }
  };
  const vote = async (choice: BlindChoice) => {
    if (!pair) return;
    setBusy(true);
    try {
      setNames(await api.post<{left: string; right: string}>(`/blind/${encodeURIComponent(pair.id)}/vote`, {choice}));
      loadScores();
    } catch (error) {
      toastError(error);
    } finally {
      setBusy(false);
    }
  };
  const few = models !== null && models.models.length < 2;
  return (
    <div className="page blind">
      <div><h1>{t.title}</h1><p className="muted">{few ? t.twoNeeded : t.text}</p></div>
      <form className="stack" onSubmit={event => { event.preventDefault(); void ask(); }}>
        <TextArea label={t.question} rows={3} value={question} disabled={few} onChange={event => setQuestion(event.target.value)}
          onKeyDown={event => { if (isSendKey(event)) { event.preventDefault(); void ask(); } }} />
        <div className="row"><Button kind="primary" type="submit" busy={busy && !pair} disabled={few || !question.trim() || (pair !== null && !complete)}>{pair && names ? t.another : t.ask}</Button><span className="muted small">{tc.aiNotice}</span></div>
      </form>
      {pair && <>
        <div className="two">
          {(["left", "right"] as const).map(side => (
            <section key={side} className="card" aria-labelledby={`blind-${side}`} aria-busy={of(side).state === "writing" || undefined}>
              <h2 id={`blind-${side}`}>{names ? `${t[side]}: ${names[side]}` : t[side]}</h2>
              <Markdown text={of(side).content} writing={of(side).state === "writing"} />
              {of(side).state === "failed" && <p className="notice bad">{fill(t.failed, {why: of(side).error})}</p>}
            </section>
          ))}
        </div>
        {!names && (
          <div className="row votes">
            <Button disabled={!complete || busy} onClick={() => void vote("left")}>{t.leftBetter}</Button>
            <Button disabled={!complete || busy} onClick={() => void vote("tie")}>{t.tie}</Button>
            <Button disabled={!complete || busy} onClick={() => void vote("both_bad")}>{t.bothBad}</Button>
            <Button disabled={!complete || busy} onClick={() => void vote("right")}>{t.rightBetter}</Button>
          </div>
        )}
      </>}
      <p role="status" aria-live="polite" className={names ? "notice" : "visually-hidden"}>{names ? fill(t.revealed, names) : complete ? t.both : ""}</p>
      <section aria-labelledby="blind-scores">
        <h2 id="blind-scores">{t.scores}</h2>
        {!scores?.some(s => s.wins + s.losses + s.ties > 0) ? <p className="muted">{t.noScores}</p> : (
          <div className="table-scroll" tabIndex={0} role="group" aria-labelledby="blind-scores">
            <table className="scores">
              <thead><tr>{[t.model, t.wins, t.losses, t.ties, t.share, t.range].map(name => <th key={name} scope="col">{name}</th>)}</tr></thead>
              <tbody>{scores.map(s => <tr key={s.id}><th scope="row">{s.id}</th><td>{s.wins}</td><td>{s.losses}</td><td>{s.ties}</td><td>{s.share === null ? "–" : `${Math.round(100 * s.share)} %`}</td><td>{s.low === null || s.high === null ? "–" : `${Math.round(100 * s.low)}–${Math.round(100 * s.high)} %`}</td></tr>)}</tbody>
            </table>
          </div>
        )}
      </section>
    </div>
  );
}
