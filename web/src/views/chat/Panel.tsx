// The side panel: the conversation's system prompt and sampling.
import {useEffect, useId, useState} from "react";
import type {Sampling} from "../../api/types";
import {fill, useText} from "../../i18n";
import {chat} from "../../i18n/chat";
import {common} from "../../i18n/common";
import {Button, Check, IconButton, TextArea, TextField} from "../../ui";

type NumberKey = Exclude<keyof Sampling, "enable_thinking">;
const NUMBERS: {key: NumberKey; text: "temperature" | "topP" | "topK" | "minP" | "maxTokens" | "seed" | "frequency" | "presence"; low: number; high: number; whole?: boolean}[] = [
  {key: "temperature", text: "temperature", low: 0, high: 2}, {key: "top_p", text: "topP", low: 0, high: 1},
  {key: "top_k", text: "topK", low: 0, high: 1000, whole: true}, {key: "min_p", text: "minP", low: 0, high: 1},
  {key: "max_tokens", text: "maxTokens", low: 1, high: 1_000_000, whole: true}, {key: "seed", text: "seed", low: 0, high: 2 ** 53 - 1, whole: true},
  {key: "frequency_penalty", text: "frequency", low: -2, high: 2}, {key: "presence_penalty", text: "presence", low: -2, high: 2},
];

export interface PanelProps {
  system: string;
  sampling: Sampling;
  onSave: (change: {system: string; sampling: Sampling}) => Promise<void> | void;
  onClose: () => void;
}
export function Panel({system, sampling, onSave, onClose}: PanelProps) {
  const t = useText(chat);
  const tc = useText(common);
  const id = useId();
  const [prompt, setPrompt] = useState(system);
  const [texts, setTexts] = useState<Record<string, string>>(() => Object.fromEntries(NUMBERS.map(({key}) => [key, sampling[key] === undefined ? "" : String(sampling[key])])));
  const [think, setThink] = useState(sampling.enable_thinking);
  const [busy, setBusy] = useState(false);
  useEffect(() => setPrompt(system), [system]);
  const wrong = ({key, low, high, whole}: (typeof NUMBERS)[number]): string => {
    const text = texts[key]!.trim();
    if (!text) return "";
    const value = Number(text);
    return Number.isFinite(value) && value >= low && value <= high && (!whole || Number.isInteger(value)) ? "" : fill(t.badNumber, {low, high});
  };
  const save = async () => {
    if (NUMBERS.some(wrong)) return;
    const next: Sampling = {};
    for (const {key} of NUMBERS) if (texts[key]!.trim()) next[key] = Number(texts[key]);
    if (think !== undefined) next.enable_thinking = think;
    setBusy(true);
    try {
      await onSave({system: prompt, sampling: next});
    } finally {
      setBusy(false);
    }
  };
  return (
    <aside className="panel" aria-labelledby={id} onKeyDown={event => { if (event.key === "Escape") onClose(); }}>
      <form className="stack" onSubmit={event => { event.preventDefault(); void save(); }}>
        <div className="panel-head"><h2 id={id}>{t.panel}</h2><IconButton icon="close" label={tc.close} onClick={onClose} /></div>
        <TextArea label={t.systemPrompt} hint={t.systemHint} rows={6} value={prompt} autoFocus onChange={event => setPrompt(event.target.value)} />
        <fieldset>
          <legend>{t.sampling}</legend>
          <div className="numbers">
            {NUMBERS.map(entry => <TextField key={entry.key} label={t[entry.text]} inputMode="decimal" value={texts[entry.key]} placeholder={t.modelDefault} error={wrong(entry)} onChange={event => setTexts({...texts, [entry.key]: event.target.value})} />)}
          </div>
          <Check label={t.enableThinking} checked={think ?? false} onChange={event => setThink(event.target.checked)} />
        </fieldset>
        <div className="row">
          <Button kind="primary" type="submit" busy={busy}>{tc.save}</Button>
          <Button onClick={() => { setTexts(Object.fromEntries(NUMBERS.map(({key}) => [key, ""]))); setThink(undefined); }}>{t.reset}</Button>
        </div>
      </form>
    </aside>
  );
}
