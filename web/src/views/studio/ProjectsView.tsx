// The projects a person may work on or look after.
import {count, fill, useLanguage, useText} from "../../i18n";
import {studio} from "../../i18n/studio";
import {Link} from "../../router";
import {useSession} from "../../session";
import {Loaded, useLoad} from "./load";
import type {Project} from "./types";

export function Progress({value, label}: {value: number; label: string}) {
  const part = Math.max(0, Math.min(1, value));
  return <progress className="st-progress" value={part} max={1} aria-label={label}>{Math.round(part * 100)} %</progress>;
}

export function useMayLabel(): (project: Project) => boolean {
  const {has} = useSession();
  return project => !project.closed && has(project.kind === "redteam" ? "red_teamer" : project.kind === "review" ? "reviewer" : "labeler");
}

function ProjectCard({project}: {project: Project}) {
  const t = useText(studio);
  const language = useLanguage();
  const {has} = useSession();
  const mayLabel = useMayLabel();
  const {prompts, open, done, labels} = project.counts;
  const path = `/studio/${encodeURIComponent(project.id)}`;
  return (
    <li className="card st-project">
      <div className="row">
        <h2>{has("reviewer") ? <Link to={path}>{project.name}</Link> : project.name}</h2>
        <span className="badge">{t[`kind_${project.kind}`]}</span>
        {project.closed && <span className="badge st-closed">{t.closed}</span>}
      </div>
      <p className="muted small">{t[`kind_${project.kind}Text`]}</p>
      {prompts > 0 && <Progress value={done / prompts} label={fill(t.doneOf, {done: count(done, language), all: count(prompts, language)})} />}
      <dl className="st-counts">
        <div><dt>{t.countPrompts}</dt><dd>{count(prompts, language)}</dd></div>
        <div><dt>{t.countOpen}</dt><dd>{count(open, language)}</dd></div>
        <div><dt>{t.countDone}</dt><dd>{count(done, language)}</dd></div>
        <div><dt>{t.countLabels}</dt><dd>{count(labels, language)}</dd></div>
      </dl>
      <div className="row">
        {mayLabel(project) && <Link to={`${path}/work`} className="button primary" aria-label={fill(t.startNamed, {name: project.name})}>{t.start}</Link>}
        {has("reviewer") && <Link to={path} className="button" aria-label={fill(t.openNamed, {name: project.name})}>{t.open}</Link>}
      </div>
    </li>
  );
}

export function ProjectsView() {
  const t = useText(studio);
  const {has} = useSession();
  const loading = useLoad<{projects: Project[]}>("/projects");
  return (
    <div className="page">
      <div className="page-head">
        <h1>{t.title}</h1>
        <span className="grow" />
        {has("reviewer") && <Link to="/studio/data" className="button">{t.dataAndTraining}</Link>}
        {has("reviewer") && <Link to="/studio/new" className="button primary">{t.newProject}</Link>}
      </div>
      <p className="muted">{t.titleText}</p>
      <Loaded from={loading}>
        {({projects}) => projects.length === 0
          ? <div className="st-empty"><h2>{t.noProjects}</h2><p>{has("reviewer") ? t.noProjectsReviewer : t.noProjectsLabeler}</p></div>
          : <ul className="st-projects">{[...projects].sort((a, b) => Number(a.closed) - Number(b.closed)).map(p => <ProjectCard key={p.id} project={p} />)}</ul>}
      </Loaded>
    </div>
  );
}
