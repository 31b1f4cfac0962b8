// A project's labels, of everyone or of one person.
import {dateTime, fill, useLanguage, useText} from "../../i18n";
import {studio} from "../../i18n/studio";
import {Link, navigate, useSearch} from "../../router";
import {Select} from "../../ui";
import {query} from "../../api/client";
import {useGist} from "./LabelSummary";
import {Loaded, useLoad} from "./load";
import type {Agreement, Project, StoredLabel} from "./types";

export function LabelsTab({project}: {project: Project}) {
  const t = useText(studio);
  const language = useLanguage();
  const gist = useGist();
  const person = useSearch().get("person") ?? "";
  const path = `/projects/${encodeURIComponent(project.id)}`;
  const loading = useLoad<{labels: StoredLabel[]}>(`${path}/labels${query({person})}`);
  const everyone = useLoad<Agreement>(`${path}/agreement`);
  const people = new Map(everyone.data?.by_labeler.map(row => [row.person, row.name]));
  for (const label of loading.data?.labels ?? []) people.set(label.person, label.name);
  return (
    <div className="stack">
      <Select label={t.labelsOf} value={person} onChange={e => navigate(`/studio/${encodeURIComponent(project.id)}/labels${query({person: e.target.value})}`, {replace: true})}>
        <option value="">{t.everyone}</option>
        {[...people].map(([id, name]) => <option key={id} value={id}>{name || id}</option>)}
      </Select>
      <Loaded from={loading}>
        {({labels}) => labels.length === 0 ? <div className="st-empty"><p>{t.noLabels}</p></div> : (
          <div className="st-table-box" tabIndex={0} role="region" aria-label={t.tab_labels}>
            <table className="st-table">
              <thead><tr><th scope="col">{t.label}</th><th scope="col">{t.person}</th><th scope="col">{t.time}</th><th scope="col">{t.secondsShort}</th></tr></thead>
              <tbody>
                {labels.map(label => (
                  <tr key={label.id}>
                    <th scope="row">
                      <Link to={`/studio/${encodeURIComponent(project.id)}/labels/${encodeURIComponent(label.id)}`}>{gist(label.label, label.kind ?? project.kind, label.answers)}</Link>
                      {label.gold && <span className="badge">{t.goldBadge}</span>}
                      {label.edited === 0 && <span className="badge">{t.uneditedBadge}</span>}
                      {label.adjudicated && <span className="badge">{t.adjudicatedBadge}</span>}
                    </th>
                    <td>{label.name}</td>
                    <td>{dateTime(label.created, language)}</td>
                    <td>{fill(t.seconds, {n: label.label.seconds ?? 0})}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </Loaded>
    </div>
  );
}
