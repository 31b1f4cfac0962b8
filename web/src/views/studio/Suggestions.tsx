// What a model would write, asked for and put in by the person alone; what was there before can be had back.
import {useEffect, useState} from "react";
import {fill, useText} from "../../i18n";
import {studio} from "../../i18n/studio";
import {Markdown} from "../../markdown/Markdown";
import {suggest, useWhy} from "./calls";
import type {Turn} from "./types";

interface Props {
  task: string;
  messages: readonly Turn[];
  first?: string;
  /** The suggestion would take the place of a text. */
  replaces: boolean;
  onUse: (text: string) => void;
  announce: (text: string) => void;
  label?: string;
}

export function Suggestions({task, messages, first, replaces, onUse, announce, label}: Props) {
  const t = useText(studio);
  const why = useWhy();
  const [texts, setTexts] = useState<string[]>(first ? [first] : []);
  const [state, setState] = useState<"idle" | "asking" | {error: string}>("idle");
  useEffect(() => {
    setTexts(first ? [first] : []);
    setState("idle");
  }, [task, first, messages.length]);

  const ask = async () => {
    setState("asking");
    try {
      const {suggestions} = await suggest(task, messages);
      setTexts(suggestions);
      setState("idle");
      announce(fill(t.suggestCame, {n: suggestions.length}));
    } catch (error) {
      setState({error: why(error)});
    }
  };

  return (
    <section className="st-suggestions" aria-label={label ?? t.suggestTitle}>
      <div className="st-section-head">
        <h3>{label ?? t.suggestTitle}</h3>
        <button type="button" className="button" onClick={() => void ask()} disabled={state === "asking"}>
          {state === "asking" ? t.suggestAsking : texts.length > 0 ? t.suggestAgain : t.suggestAsk}
        </button>
      </div>
      {typeof state === "object" && (
        <p role="alert" className="st-problem">
          {state.error}
        </p>
      )}
      {texts.map((text, i) => (
        <div key={i} className="st-suggestion">
          <Markdown text={text} />
          <button type="button" className="button" onClick={() => onUse(text)}>
            {replaces ? t.suggestReplace : t.suggestUse}
          </button>
        </div>
      ))}
      {texts.length > 0 && <p className="st-hint">{t.suggestCareful}</p>}
    </section>
  );
}
