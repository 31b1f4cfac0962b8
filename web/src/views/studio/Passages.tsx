// Marks passages of an answer with a flag. The text is selected in a field that takes no input (so by mouse, by touch and by
// keyboard alike: Chromium moves no caret in one that is readonly); the marks are drawn on the same text behind it.
import {useRef, useState} from "react";
import {fill, useText} from "../../i18n";
import {studio} from "../../i18n/studio";
import {addSpan, runs, selectionToSpan, spanText} from "./spans";
import {PAPER_FLAGS, type Answer, type Flag, type Span} from "./types";

interface Props {
  answer: Answer;
  name: string;
  spans: Span[];
  onChange: (spans: Span[]) => void;
  announce: (text: string) => void;
}

export function Passages({answer, name, spans, onChange, announce}: Props) {
  const t = useText(studio);
  const field = useRef<HTMLTextAreaElement>(null);
  const [selected, setSelected] = useState<{begin: number; end: number} | null>(null);
  const mine = spans.filter(s => s.answer === answer.id);
  const look = () => {
    const {selectionStart, selectionEnd} = field.current!;
    setSelected(selectionToSpan(answer.content, selectionStart, selectionEnd));
  };
  const mark = (flag: Flag) => {
    if (selected === null) return;
    onChange(addSpan(spans, {answer: answer.id, ...selected, flag}));
    announce(fill(t.passageMarked, {flag: t[`flag_${flag}`], text: spanText(answer.content, selected)}));
    setSelected(null);
    field.current?.focus();
  };
  return (
    <div className="st-passages">
      <div className="st-passage-text">
        <div className="st-passage-marks" aria-hidden="true">
          {runs(answer.content, mine).map((run, i) =>
            run.flags.length > 0 ? <mark key={i}>{run.text}</mark> : <span key={i}>{run.text}</span>,
          )}
          {"\n"}
        </div>
        <textarea
          ref={field}
          value={answer.content}
          aria-label={fill(t.passageField, {answer: name})}
          aria-readonly="true"
          inputMode="none"
          spellCheck={false}
          onChange={() => {}}
          onBeforeInput={event => event.preventDefault()}
          onCut={event => event.preventDefault()}
          onPaste={event => event.preventDefault()}
          onDrop={event => event.preventDefault()}
          onKeyDown={event => {
            if (event.key === "Backspace" || event.key === "Delete") event.preventDefault();
          }}
          onSelect={look}
          onKeyUp={look}
          onPointerUp={look}
        />
      </div>
      <div className="st-passage-bar">
        <label>
          <span>{selected ? fill(t.passageSelected, {text: spanText(answer.content, selected).slice(0, 60)}) : t.passageSelect}</span>
          <select value="" disabled={selected === null} onChange={e => mark(e.target.value as Flag)} aria-label={t.passageFlag}>
            <option value="">{t.passageFlag}</option>
            {PAPER_FLAGS.map(flag => (
              <option key={flag} value={flag}>
                {t[`flag_${flag}`]}
              </option>
            ))}
          </select>
        </label>
      </div>
      <PassageList answer={answer} spans={mine} onRemove={span => onChange(spans.filter(s => s !== span))} />
    </div>
  );
}

export function PassageList({answer, spans, onRemove}: {answer: Answer; spans: Span[]; onRemove?: (span: Span) => void}) {
  const t = useText(studio);
  if (spans.length === 0) return null;
  return (
    <ul className="st-passage-list">
      {spans.map(span => (
        <li key={`${span.begin}-${span.end}-${span.flag}`}>
          <mark>{spanText(answer.content, span)}</mark> <span className="st-flag">{t[`flag_${span.flag}`]}</span>
          {onRemove && (
            <button
              type="button"
              className="st-quiet"
              onClick={() => onRemove(span)}
              aria-label={fill(t.passageRemove, {text: spanText(answer.content, span)})}
            >
              ×
            </button>
          )}
        </li>
      ))}
    </ul>
  );
}
