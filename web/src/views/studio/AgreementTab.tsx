// How much people agree, while they work: pairs as the paper counts them, with an interval; Krippendorff's alpha; Kendall's tau.
import {count, fill, useLanguage, useText} from "../../i18n";
import {studio} from "../../i18n/studio";
import {Link} from "../../router";
import {Button} from "../../ui";
import {Loaded, useLoad} from "./load";
import type {Agreement, Project} from "./types";

const EVERY_MS = 8000;
const PAPER = 72.6; // arXiv:2203.02155: the training labelers' agreement

export const percent = (n: number | null | undefined): string => (n === null || n === undefined ? "–" : `${n.toFixed(1)} %`);
const figure = (n: number | null | undefined): string => (n === null || n === undefined ? "–" : n.toFixed(2));

export function Interval({value, low, high, mark, label}: {value: number; low: number; high: number; mark?: number; label: string}) {
  const at = (n: number) => `${Math.max(0, Math.min(100, n))}%`;
  return (
    <div className="st-interval" role="img" aria-label={label}>
      <div className="st-interval-range" style={{left: at(low), width: `${Math.max(0.5, Math.min(100, high) - Math.max(0, low))}%`}} />
      <div className="st-interval-value" style={{left: at(value)}} />
      {mark !== undefined && <div className="st-interval-mark" style={{left: at(mark)}} />}
    </div>
  );
}

export function AgreementTab({project}: {project: Project}) {
  const t = useText(studio);
  const language = useLanguage();
  const loading = useLoad<Agreement>(`/projects/${encodeURIComponent(project.id)}/agreement`, EVERY_MS);
  return (
    <div className="stack">
      <Loaded from={loading}>
        {({pairs, alpha, tau, by_labeler, by_criterion}) => (
          <>
            <div className="st-figures">
              <section className="card st-figure-wide" aria-label={t.agreementPairs}>
                <h2>{t.agreementPairs}</h2>
                {pairs && pairs.pairs > 0
                  ? <>
                      <p className="st-big">{percent(pairs.percent)}</p>
                      <Interval value={pairs.percent} low={pairs.low} high={pairs.high} mark={PAPER}
                        label={fill(t.agreementInterval, {value: percent(pairs.percent), low: percent(pairs.low), high: percent(pairs.high)})} />
                      <p className="muted small">{fill(t.agreementOf, {low: percent(pairs.low), high: percent(pairs.high), pairs: count(pairs.pairs, language)})}</p>
                      <p className="muted small">{fill(t.agreementPaper, {percent: percent(PAPER)})}</p>
                    </>
                  : <p className="muted">{t.agreementNone}</p>}
              </section>
              <section className="card" aria-label={t.alpha}><h2>{t.alpha}</h2><p className="st-big">{figure(alpha)}</p><p className="muted small">{t.alphaText}</p></section>
              <section className="card" aria-label={t.tau}><h2>{t.tau}</h2><p className="st-big">{figure(tau)}</p><p className="muted small">{t.tauText}</p></section>
            </div>
            <h2>{t.byLabeler}</h2>
            {by_labeler.length === 0 ? <p className="muted">{t.noLabels}</p> : (
              <div className="st-table-box" tabIndex={0} role="region" aria-label={t.byLabeler}>
                <table className="st-table st-numbers">
                  <thead><tr><th scope="col">{t.person}</th><th scope="col">{t.countLabels}</th><th scope="col">{t.agreementShort}</th>
                    <th scope="col">{t.goldRight}</th><th scope="col">{t.secondsEach}</th></tr></thead>
                  <tbody>
                    {by_labeler.map(row => (
                      <tr key={row.person}>
                        <th scope="row"><Link to={`/studio/${encodeURIComponent(project.id)}/labels?person=${encodeURIComponent(row.person)}`}>{row.name}</Link></th>
                        <td>{count(row.labels, language)}</td><td>{percent(row.percent)}</td><td>{percent(row.gold)}</td><td>{Math.round(row.seconds)}</td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              </div>
            )}
            {by_criterion.length > 0 && (
              <>
                <h2>{t.byCriterion}</h2>
                <div className="st-table-box" tabIndex={0} role="region" aria-label={t.byCriterion}>
                  <table className="st-table st-numbers">
                    <thead><tr><th scope="col">{t.criterion}</th><th scope="col">{t.alpha}</th><th scope="col">{t.agreementShort}</th></tr></thead>
                    <tbody>{by_criterion.map(row => <tr key={row.name}><th scope="row">{row.name}</th><td>{figure(row.alpha)}</td><td>{percent(row.percent)}</td></tr>)}</tbody>
                  </table>
                </div>
              </>
            )}
          </>
        )}
      </Loaded>
      <div className="row muted small">
        {loading.at > 0 && <span>{fill(t.asOf, {time: new Date(loading.at).toLocaleTimeString(language)})}</span>}
        <Button kind="quiet" icon="again" onClick={() => void loading.reload()}>{t.refresh}</Button>
      </div>
    </div>
  );
}
