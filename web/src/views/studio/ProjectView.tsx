// A project as its reviewers see it: one page for each of its sides.
import {useState} from "react";
import {api} from "../../api/client";
import {count, fill, useLanguage, useText} from "../../i18n";
import {common} from "../../i18n/common";
import {studio} from "../../i18n/studio";
import {Link} from "../../router";
import {Button, Confirm, Icon, toast, toastError} from "../../ui";
import {AgreementTab} from "./AgreementTab";
import {DisagreementsTab} from "./DisagreementsTab";
import {ExportBox} from "./ExportBox";
import {GoldTab} from "./GoldTab";
import {LabelsTab} from "./LabelsTab";
import {LabelView} from "./LabelView";
import {Loaded, useLoad} from "./load";
import {ProjectForm} from "./ProjectForm";
import {Progress, useMayLabel} from "./ProjectsView";
import {PromptsTab} from "./PromptsTab";
import {ScreeningTab} from "./ScreeningTab";
import {Markdown} from "../../markdown/Markdown";
import type {Project} from "./types";

const TABS = ["overview", "prompts", "labels", "agreement", "disagreements", "screening", "gold", "settings"] as const;
type Tab = (typeof TABS)[number];
const RANKING_ONLY: readonly Tab[] = ["disagreements", "gold"];

export function ProjectView({id, tab, label}: {id: string; tab: string; label?: string}) {
  const t = useText(studio);
  const loading = useLoad<Project>(`/projects/${encodeURIComponent(id)}`);
  const path = `/studio/${encodeURIComponent(id)}`;
  const mayLabel = useMayLabel();
  return (
    <div className="page st-project-page">
      <Loaded from={loading}>
        {project => {
          const tabs = TABS.filter(each => project.kind === "ranking" || !RANKING_ONLY.includes(each));
          return (
            <>
              <div className="page-head">
                <Link to="/studio" className="st-back"><Icon name="left" size={16} />{t.title}</Link>
                <h1>{project.name}</h1>
                <span className="badge">{t[`kind_${project.kind}`]}</span>
                {project.closed && <span className="badge st-closed">{t.closed}</span>}
                <span className="grow" />
                {mayLabel(project) && <Link to={`${path}/work`} className="button primary">{t.start}</Link>}
              </div>
              <nav className="st-tabs" aria-label={t.projectPages}>
                {tabs.map(each => (
                  <Link key={each} to={each === "overview" ? path : `${path}/${each}`} aria-current={each === tab ? "page" : undefined}>{t[`tab_${each}`]}</Link>
                ))}
              </nav>
              {label !== undefined ? <LabelView id={label} project={project} /> : <TabOf tab={tab} project={project} put={loading.put} reload={loading.reload} />}
            </>
          );
        }}
      </Loaded>
    </div>
  );
}

interface TabProps {
  tab: string;
  project: Project;
  put: (project: Project) => void;
  reload: () => Promise<void>;
}
function TabOf({tab, project, put, reload}: TabProps) {
  const t = useText(studio);
  const tc = useText(common);
  switch (tab) {
    case "overview": return <Overview project={project} put={put} />;
    case "prompts": return <PromptsTab project={project} onAdded={reload} />;
    case "labels": return <LabelsTab project={project} />;
    case "agreement": return <AgreementTab project={project} />;
    case "disagreements": return <DisagreementsTab project={project} />;
    case "screening": return <ScreeningTab project={project} />;
    case "gold": return <GoldTab project={project} onAdded={reload} />;
    case "settings": return <ProjectForm key={project.id} project={project} onSaved={saved => { put(saved); toast(t.projectSaved); }} />;
    default: return <p>{tc.notFound}</p>;
  }
}

function Overview({project, put}: {project: Project; put: (project: Project) => void}) {
  const t = useText(studio);
  const tc = useText(common);
  const language = useLanguage();
  const [asking, setAsking] = useState(false);
  const {prompts, open, done, labels} = project.counts;
  const close = (closed: boolean) =>
    api.patch<Project>(`/projects/${encodeURIComponent(project.id)}`, {closed}).then(saved => { put(saved); toast(closed ? t.projectClosed : t.projectOpened); }, toastError);
  const facts: [string, string][] = [
    [t.models, project.models.join(", ") || tc.none],
    ...(project.kind === "ranking" ? [[t.k, String(project.k)] as [string, string]] : []),
    [t.overlap, String(project.overlap)], [t.minutes, String(project.minutes)], [t.gold, String(Math.round(project.gold_share * 1000) / 10)],
    [t.criteria, project.criteria.join(", ") || tc.none],
  ];
  return (
    <div className="stack">
      <section className="card stack" aria-label={t.progress}>
        <Progress value={prompts ? done / prompts : 0} label={fill(t.doneOf, {done: count(done, language), all: count(prompts, language)})} />
        <dl className="st-counts">
          <div><dt>{t.countPrompts}</dt><dd>{count(prompts, language)}</dd></div>
          <div><dt>{t.countOpen}</dt><dd>{count(open, language)}</dd></div>
          <div><dt>{t.countDone}</dt><dd>{count(done, language)}</dd></div>
          <div><dt>{t.countLabels}</dt><dd>{count(labels, language)}</dd></div>
        </dl>
        {prompts === 0 && <p>{t.noPrompts} <Link to={`/studio/${encodeURIComponent(project.id)}/prompts`}>{t.tab_prompts}</Link></p>}
      </section>
      <dl className="st-facts">{facts.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>
      {project.warning && <p className="notice"><b>{t.warning}:</b> {project.warning}</p>}
      <section className="stack" aria-labelledby="st-guide"><h2 id="st-guide">{t.guidelines}</h2>
        {project.guidelines.trim() ? <div className="card"><Markdown text={project.guidelines} /></div> : <p className="muted">{t.noGuidelines}</p>}</section>
      <ExportBox project={project} />
      <div className="row">
        {project.closed ? <Button onClick={() => void close(false)}>{t.openAgain}</Button> : <Button onClick={() => setAsking(true)}>{t.closeProject}</Button>}
      </div>
      <Confirm open={asking} title={t.closeProject} text={t.closeProjectText} confirm={t.closeProject} onConfirm={() => void close(true)} onClose={() => setAsking(false)} />
    </div>
  );
}
