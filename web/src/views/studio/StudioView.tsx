// The studio: which of its pages a path names.
import {useText} from "../../i18n";
import {common} from "../../i18n/common";
import {match, usePath} from "../../router";
import {useSession} from "../../session";
import {DataView} from "./DataView";
import {NewProject} from "./ProjectForm";
import {ProjectsView} from "./ProjectsView";
import {ProjectView} from "./ProjectView";
import {WorkView} from "./WorkView";
import "./studio.css";

export default function StudioView() {
  const path = usePath();
  const {has} = useSession();
  const t = useText(common);
  if (match("/studio", path)) return <ProjectsView />;
  const work = match("/studio/:id/work", path);
  if (work) return <WorkView project={work.id!} />;
  if (has("reviewer")) {
    if (match("/studio/new", path)) return <NewProject />;
    if (match("/studio/data", path)) return <DataView />;
    const label = match("/studio/:id/labels/:label", path);
    if (label) return <ProjectView id={label.id!} tab="labels" label={label.label!} />;
    const project = match("/studio/:id", path) ?? match("/studio/:id/:tab", path);
    if (project) return <ProjectView key={project.id} id={project.id!} tab={project.tab ?? "overview"} />;
  }
  return <div className="center-message"><h1>{t.notFound}</h1><p>{t.notFoundText}</p><a href="/studio">{t.back}</a></div>;
}
