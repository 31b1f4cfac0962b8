// One question to every stage's model at once, in the form of OpenAI's chat completions.
import {useRef, useState} from "react";
import {csrfHeader} from "../../api/client";
import {SseParser} from "../../api/stream";
import {fill, useText} from "../../i18n";
import {common} from "../../i18n/common";
import {run} from "../../i18n/run";
import {Button, TextField} from "../../ui";
import {isSendKey} from "../chat/Composer";
import {tintOf} from "./names";

const ORDER = ["base", "sft", "reference", "ppo", "adversarial"];
const SHOWN = ["base", "sft", "ppo", "adversarial"];

interface Turn {
  role: "user" | "assistant";
  content: string;
}
interface Card {
  turns: Turn[];
  foot: string;
  bad: boolean;
  busy: boolean;
}
interface Chunk {
  error?: {message: string};
  usage?: {completion_tokens: number} | null;
  choices?: {delta: {content?: string}; finish_reason: string | null}[];
}

async function answer(model: string, messages: Turn[], settings: Record<string, number>, signal: AbortSignal, onText: (text: string) => void) {
  const response = await fetch("/api/app/run/ask", {
    method: "POST", headers: {"Content-Type": "application/json", ...csrfHeader()}, signal,
    body: JSON.stringify({model, messages, stream: true, stream_options: {include_usage: true}, ...settings}),
  });
  if (!response.ok || !response.body) throw new Error(((await response.json()) as Chunk).error?.message ?? String(response.status));
  const reader = response.body.getReader(), decoder = new TextDecoder(), parser = new SseParser();
  let cut = false, tokens: number | null = null;
  for (;;) {
    const {done, value} = await reader.read();
    if (done) return {cut, tokens};
    for (const {data} of parser.push(decoder.decode(value, {stream: true}))) {
      if (data === "[DONE]") return {cut, tokens};
      const chunk = JSON.parse(data) as Chunk;
      if (chunk.error) throw new Error(chunk.error.message);
      if (chunk.usage) tokens = chunk.usage.completion_tokens;
      const choice = chunk.choices?.[0];
      if (choice?.finish_reason === "length") cut = true;
      if (choice?.delta.content) onText(choice.delta.content);
    }
  }
}

export function AskEvery({models, suggestions}: {models: string[]; suggestions: string[]}) {
  const t = useText(run);
  const tc = useText(common);
  const [question, setQuestion] = useState("");
  const [temperature, setTemperature] = useState("0.7");
  const [longest, setLongest] = useState("120");
  const [seed, setSeed] = useState("");
  const [follow, setFollow] = useState(false);
  const [cards, setCards] = useState<Record<string, Card>>({});
  const [asking, setAsking] = useState(false);
  const [said, setSaid] = useState("");
  const control = useRef<AbortController | null>(null);
  const ids = [...ORDER.filter(id => SHOWN.includes(id) || models.includes(id)), ...models.filter(id => !ORDER.includes(id))];

  const askOne = async (id: string, text: string, signal: AbortSignal) => {
    const before = follow ? cards[id]?.turns ?? [] : [];
    const messages: Turn[] = [...before, {role: "user", content: text}];
    let reply = "";
    const show = (part: Partial<Card>) => setCards(now => ({...now, [id]: {turns: [...messages, {role: "assistant", content: reply}], foot: "", bad: false, busy: true, ...part}}));
    show({foot: t.thinking});
    const settings: Record<string, number> = {temperature: Number(temperature) || 0};
    if (parseInt(longest, 10) > 0) settings["max_completion_tokens"] = parseInt(longest, 10);
    if (Number.isFinite(parseInt(seed, 10))) settings["seed"] = parseInt(seed, 10);
    const begin = performance.now();
    try {
      const {cut, tokens} = await answer(id, messages, settings, signal, piece => {
        reply += piece;
        show({});
      });
      const seconds = ((performance.now() - begin) / 1000).toFixed(1);
      const figures = tokens === null ? fill(t.figures, {n: "–", s: seconds}) : fill(t.figures, {n: tokens, s: seconds});
      show({busy: false, foot: figures + (cut ? ` · ${t.cut}` : "")});
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      if (signal.aborted) show({busy: false, foot: t.stopped});
      else show({busy: false, bad: true, foot: reply ? fill(t.brokeOff, {why}) : `${t.failed}: ${why}`});
    }
  };
  const ask = async (text: string) => {
    if (!text.trim() || asking || !models.length) return;
    control.current = new AbortController();
    const {signal} = control.current;
    setAsking(true);
    setSaid("");
    const asked = ids.filter(id => models.includes(id));
    await Promise.all(asked.map(id => askOne(id, text.trim(), signal)));
    setAsking(false);
    if (follow) setQuestion("");
    setSaid(fill(t.answered, {models: asked.join(", ")}));
  };
  const about = (id: string) => (`about_${id}` in t ? t[`about_${id}` as keyof typeof t] : "");
  return (
    <section aria-labelledby="run-ask" className="stack">
      <div className="page-head"><h2 id="run-ask">{t.ask}</h2><p className="muted">{t.askText}</p></div>
      <form className="ask-form" autoComplete="off" onSubmit={event => { event.preventDefault(); void ask(question); }}>
        <textarea rows={1} maxLength={2000} aria-label={t.question} placeholder={t.placeholder} value={question} enterKeyHint="send" onChange={event => setQuestion(event.target.value)}
          onKeyDown={event => { if (isSendKey(event)) { event.preventDefault(); void ask(question); } }} />
        {asking ? <Button onClick={() => control.current?.abort()}>{t.stop}</Button> : <Button kind="primary" type="submit" disabled={!models.length}>{t.askButton}</Button>}
      </form>
      {suggestions.length > 0 && (
        <div className="suggestions" role="group" aria-label={t.suggestions}>
          {suggestions.map(text => <button key={text} type="button" className="flag" disabled={asking} onClick={() => { setQuestion(text); void ask(text); }}>{text}</button>)}
        </div>
      )}
      <details><summary className="muted">{tc.options}</summary><div className="option-row">
        <TextField label={t.temperature} type="number" min="0" max="2" step="0.1" value={temperature} onChange={event => setTemperature(event.target.value)} />
        <TextField label={t.longest} type="number" min="1" max="2000" value={longest} onChange={event => setLongest(event.target.value)} />
        <TextField label={t.seedLabel} type="number" placeholder={t.random} value={seed} onChange={event => setSeed(event.target.value)} />
        <label className="row"><input type="checkbox" checked={follow} onChange={event => setFollow(event.target.checked)} />{t.keep}</label>
        <Button onClick={() => { control.current?.abort(); setCards({}); }}>{t.fresh}</Button>
      </div></details>
      <div className="answers">
        {ids.map(id => {
          const made = models.includes(id);
          const card = cards[id];
          const turns = follow ? card?.turns ?? [] : card?.turns.slice(-1) ?? [];
          return (
            <article key={id} className={`answer ${tintOf(id)} ${made ? "" : "absent"}`} aria-label={fill(t.answersOf, {model: id})} aria-busy={card?.busy || undefined}>
              <h3><span>{id}</span><span className="role">{about(id)}</span></h3>
              <div className="turns">{turns.map((turn, i) => <div key={i} className={turn.role === "user" ? "asked" : "said"} dir="auto">{turn.content || (!card?.busy && !card?.bad && turn.role === "assistant" ? t.emptyReply : "")}</div>)}</div>
              <p className={card?.bad ? "foot bad" : "foot"}>{made ? card?.foot ?? t.ready : t.notMade}</p>
            </article>
          );
        })}
      </div>
      <p className="visually-hidden" role="status">{said}</p>
    </section>
  );
}
