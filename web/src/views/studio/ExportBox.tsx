// A project's labels as JSONL, in the shape that the next tool reads.
import {useState} from "react";
import {download} from "../../api/client";
import {useText} from "../../i18n";
import {studio} from "../../i18n/studio";
import {Button, Select, toastError} from "../../ui";
import type {Project} from "./types";

const SHAPES = ["rankings", "pairs", "messages", "kto"] as const;

export function ExportBox({project}: {project: Project}) {
  const t = useText(studio);
  const [shape, setShape] = useState<(typeof SHAPES)[number]>(project.kind === "ranking" ? "rankings" : "messages");
  const [busy, setBusy] = useState(false);
  const get = () => {
    setBusy(true);
    download(`/projects/${encodeURIComponent(project.id)}/export?shape=${shape}`, `${shape}.jsonl`).catch(toastError).finally(() => setBusy(false));
  };
  return (
    <section className="card row st-export" aria-label={t.exportTitle}>
      <Select label={t.exportTitle} hint={t[`shape_${shape}Text`]} value={shape} onChange={e => setShape(e.target.value as typeof shape)}>
        {SHAPES.map(each => <option key={each} value={each}>{t[`shape_${each}`]}</option>)}
      </Select>
      <Button icon="download" busy={busy} onClick={get}>{t.exportDo}</Button>
    </section>
  );
}
