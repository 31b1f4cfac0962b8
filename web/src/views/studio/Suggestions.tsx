// What a model would write, asked for and put in by the person alone; what was there before can be had back.
import { useEffect, useState } from 'react';
import { useT } from '../../i18n';
import { Markdown } from '../../ui/Markdown';
import { suggest, sayWhy } from './api';
import type { Turn } from './types';

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

export function Suggestions({ task, messages, first, replaces, onUse, announce, label }: Props) {
  const t = useT();
  const [texts, setTexts] = useState<string[]>(first ? [first] : []);
  const [state, setState] = useState<'idle' | 'asking' | { error: string }>('idle');
  useEffect(() => { setTexts(first ? [first] : []); setState('idle'); }, [task, first, messages.length]);

  const ask = async () => {
    setState('asking');
    try {
      const { suggestions } = await suggest(task, messages);
      setTexts(suggestions);
      setState('idle');
      announce(t('studio.suggest.came', { n: suggestions.length }));
    } catch (error) { setState({ error: sayWhy(error, t) }); }
  };

  return (
    <section className="st-suggestions" aria-label={label ?? t('studio.suggest.title')}>
      <div className="st-section-head">
        <h3>{label ?? t('studio.suggest.title')}</h3>
        <button type="button" onClick={ask} disabled={state === 'asking'}>
          {state === 'asking' ? t('studio.suggest.asking') : texts.length > 0 ? t('studio.suggest.again') : t('studio.suggest.ask')}
        </button>
      </div>
      {typeof state === 'object' && <p role="alert" className="st-problem">{state.error}</p>}
      {texts.map((text, i) => (
        <div key={i} className="st-suggestion">
          <Markdown text={text} />
          <button type="button" onClick={() => onUse(text)}>{replaces ? t('studio.suggest.replace') : t('studio.suggest.use')}</button>
        </div>
      ))}
      {texts.length > 0 && <p className="st-hint">{t('studio.suggest.careful')}</p>}
    </section>
  );
}
