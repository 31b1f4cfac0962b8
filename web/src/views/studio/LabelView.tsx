// One label: what was asked, what was said, what it was before, and a correction.
import {useState} from "react";
import {dateTime, fill, useLanguage, useText} from "../../i18n";
import {studio} from "../../i18n/studio";
import {Link} from "../../router";
import {Button, Icon} from "../../ui";
import {Conversation} from "./Conversation";
import {Correct} from "./Correct";
import {LabelSummary} from "./LabelSummary";
import {Loaded, useLoad} from "./load";
import type {Project, StoredLabel, Task} from "./types";

export const taskOf = (label: Pick<StoredLabel, "item" | "messages" | "answers">, project: Project): Task => ({
  id: "", project: project.id, kind: project.kind, item: label.item, messages: label.messages ?? [], answers: label.answers ?? [],
  draft: null, expires: 0, warning: "", suggestion: "", prefill: false,
});

export function LabelView({id, project}: {id: string; project: Project}) {
  const t = useText(studio);
  const language = useLanguage();
  const loading = useLoad<StoredLabel>(`/labels/${encodeURIComponent(id)}`);
  const [correcting, setCorrecting] = useState(false);
  return (
    <div className="stack">
      <Link to={`/studio/${encodeURIComponent(project.id)}/labels`} className="st-back"><Icon name="left" size={16} />{t.tab_labels}</Link>
      <Loaded from={loading}>
        {label => (
          <>
            <div className="row">
              <h2>{fill(t.labelBy, {name: label.name})}</h2>
              <span className="muted">{dateTime(label.created, language)} · {fill(t.seconds, {n: label.label.seconds ?? 0})}</span>
              {label.gold && <span className="badge">{t.goldBadge}</span>}
              {label.adjudicated && <span className="badge">{t.adjudicatedBadge}</span>}
              {typeof label.edited === "number" && <span className="badge">{label.edited === 0 ? t.uneditedBadge : fill(t.editedBadge, {percent: Math.max(1, Math.round(100 * label.edited))})}</span>}
              <span className="grow" />
              <Button icon="edit" onClick={() => setCorrecting(true)}>{t.correctIt}</Button>
            </div>
            <Conversation messages={label.messages ?? []} />
            <LabelSummary kind={label.kind ?? project.kind} label={label.label} answers={label.answers ?? []} />
            <section className="stack" aria-labelledby="st-history">
              <h2 id="st-history">{t.history}</h2>
              {(label.history ?? []).length === 0 && <p className="muted">{t.historyNone}</p>}
              {(label.history ?? []).map((was, i) => (
                <details key={i} className="card">
                  <summary>{fill(t.historyRow, {time: dateTime(was.time, language), name: was.name})}{was.why && `: ${was.why}`}</summary>
                  <LabelSummary kind={label.kind ?? project.kind} label={was.label} answers={label.answers ?? []} />
                </details>
              ))}
            </section>
            {correcting && (
              <Correct sent={{label: label.id, task: taskOf(label, project), draft: label.label}} project={project} onClose={() => setCorrecting(false)}
                onDone={() => { setCorrecting(false); void loading.reload(); }} />
            )}
          </>
        )}
      </Loaded>
    </div>
  );
}
