// A project's guidelines, beside the work on a wide screen and folded above it on a narrow one.
import {useState} from "react";
import {useText} from "../../i18n";
import {studio} from "../../i18n/studio";
import {Markdown} from "../../markdown/Markdown";
import type {Project} from "./types";

export function Guidelines({project}: {project: Project}) {
  const t = useText(studio);
  const [open, setOpen] = useState(() => window.matchMedia("(min-width: 75rem)").matches);
  if (project.guidelines.trim() === "") return null;
  return (
    <aside className="st-guidelines" data-open={open ? "" : undefined} aria-label={t.guidelines}>
      <details open={open} onToggle={event => setOpen(event.currentTarget.open)}>
        <summary>{t.guidelines}</summary>
        <div className="st-guidelines-text" tabIndex={0} role="region" aria-label={t.guidelines}><Markdown text={project.guidelines} /></div>
      </details>
    </aside>
  );
}
