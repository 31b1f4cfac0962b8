// Who may go on labeling, as the paper screened its labelers: agreement with others and with gold questions, how good their
// demonstrations are, and whether they see the flags that a reviewer sees.
import {useText} from "../../i18n";
import {common} from "../../i18n/common";
import {studio} from "../../i18n/studio";
import {percent} from "./AgreementTab";
import {Loaded, useLoad} from "./load";
import type {Project, Screened} from "./types";

export function ScreeningTab({project}: {project: Project}) {
  const t = useText(studio);
  const tc = useText(common);
  const loading = useLoad<{people: Screened[]}>(`/projects/${encodeURIComponent(project.id)}/screening`);
  return (
    <div className="stack">
      <p className="muted">{t.screeningText}</p>
      <Loaded from={loading}>
        {({people}) => people.length === 0 ? <div className="st-empty"><p>{t.noLabels}</p></div> : (
          <div className="st-table-box" tabIndex={0} role="region" aria-label={t.tab_screening}>
            <table className="st-table st-numbers">
              <thead><tr><th scope="col">{t.person}</th><th scope="col">{t.goldRight}</th><th scope="col">{t.agreementShort}</th>
                <th scope="col">{t.demonstrations7}</th><th scope="col">{t.flagsAgree}</th><th scope="col">{t.passes}</th></tr></thead>
              <tbody>
                {people.map(row => (
                  <tr key={row.person}>
                    <th scope="row">{row.name}</th><td>{percent(row.gold)}</td><td>{percent(row.agreement)}</td>
                    <td>{row.demonstrations === null ? "–" : row.demonstrations.toFixed(1)}</td><td>{percent(row.flags)}</td>
                    <td><span className={`st-verdict ${row.passes === null ? "" : row.passes ? "good" : "bad"}`}>{row.passes === null ? t.notYet : row.passes ? tc.yes : tc.no}</span></td>
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
