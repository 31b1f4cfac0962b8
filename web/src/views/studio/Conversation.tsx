// A conversation to read: who says what, as markdown through the one renderer.
import {useText} from "../../i18n";
import {studio} from "../../i18n/studio";
import {Markdown} from "../../markdown/Markdown";
import type {Turn} from "./types";

export function Conversation({messages, label}: {messages: readonly Turn[]; label?: string}) {
  const t = useText(studio);
  if (messages.length === 0) return null;
  return (
    <section className="st-conversation" aria-label={label ?? t.conversation}>
      {messages.map((message, i) => (
        <article key={i} className={`st-turn st-turn-${message.role}`}>
          <h3>{t[`role_${message.role}`]}</h3>
          <Markdown text={message.content} />
        </article>
      ))}
    </section>
  );
}
