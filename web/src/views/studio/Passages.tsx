// Marks passages of an answer with a flag. The text is selected in a read-only field (so by mouse, by touch and by keyboard
// alike); the marks are drawn on the same text behind it.
import { useRef, useState } from 'react';
import { useT } from '../../i18n';
import { addSpan, runs, selectionToSpan, spanText } from './spans';
import { paperFlags, type Answer, type Span } from './types';

interface Props { answer: Answer; name: string; spans: Span[]; onChange: (spans: Span[]) => void; announce: (text: string) => void }

export function Passages({ answer, name, spans, onChange, announce }: Props) {
  const t = useT();
  const field = useRef<HTMLTextAreaElement>(null);
  const [selected, setSelected] = useState<{ begin: number; end: number } | null>(null);
  const mine = spans.filter((s) => s.answer === answer.id);
  const look = () => {
    const { selectionStart, selectionEnd } = field.current!;
    setSelected(selectionToSpan(answer.content, selectionStart, selectionEnd));
  };
  const mark = (flag: string) => {
    if (selected === null || flag === '') return;
    onChange(addSpan(spans, { answer: answer.id, ...selected, flag }));
    announce(t('studio.passage.marked', { flag: t(`flag.${flag}`), text: spanText(answer.content, selected) }));
    setSelected(null);
    field.current?.focus();
  };
  return (
    <div className="st-passages">
      <div className="st-passage-text">
        <div className="st-passage-marks" aria-hidden="true">
          {runs(answer.content, mine).map((run, i) => (run.flags.length > 0 ? <mark key={i}>{run.text}</mark> : <span key={i}>{run.text}</span>))}
          {'\n'}
        </div>
        <textarea ref={field} readOnly value={answer.content} aria-label={t('studio.passage.field', { answer: name })}
          spellCheck={false} onSelect={look} onKeyUp={look} onPointerUp={look} />
      </div>
      <div className="st-passage-bar">
        <label>
          <span>{selected ? t('studio.passage.selected', { text: spanText(answer.content, selected).slice(0, 60) }) : t('studio.passage.select')}</span>
          <select value="" disabled={selected === null} onChange={(e) => mark(e.target.value)} aria-label={t('studio.passage.flag')}>
            <option value="">{t('studio.passage.flag')}</option>
            {paperFlags.map((flag) => <option key={flag} value={flag}>{t(`flag.${flag}`)}</option>)}
          </select>
        </label>
      </div>
      <PassageList answer={answer} spans={mine} onRemove={(span) => onChange(spans.filter((s) => s !== span))} />
    </div>
  );
}

export function PassageList({ answer, spans, onRemove }: { answer: Answer; spans: Span[]; onRemove?: (span: Span) => void }) {
  const t = useT();
  if (spans.length === 0) return null;
  return (
    <ul className="st-passage-list">
      {spans.map((span) => (
        <li key={`${span.begin}-${span.end}-${span.flag}`}>
          <mark>{spanText(answer.content, span)}</mark> <span className="st-flag">{t(`flag.${span.flag}`)}</span>
          {onRemove && (
            <button type="button" className="st-quiet" onClick={() => onRemove(span)}
              aria-label={t('studio.passage.remove', { text: spanText(answer.content, span) })}>×</button>
          )}
        </li>
      ))}
    </ul>
  );
}
