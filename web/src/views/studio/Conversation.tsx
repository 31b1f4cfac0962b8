// A conversation to read: who says what, as markdown through the one renderer.
import { useT } from '../../i18n';
import { Markdown } from '../../ui/Markdown';
import type { Turn } from './types';

export function Conversation({ messages, label }: { messages: readonly Turn[]; label?: string }) {
  const t = useT();
  if (messages.length === 0) return null;
  return (
    <section className="st-conversation" aria-label={label ?? t('studio.conversation')}>
      {messages.map((message, i) => (
        <article key={i} className={`st-turn st-turn-${message.role}`}>
          <h3>{t(`studio.role.${message.role}`)}</h3>
          <Markdown text={message.content} />
        </article>
      ))}
    </section>
  );
}
