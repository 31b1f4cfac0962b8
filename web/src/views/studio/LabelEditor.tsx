// Any kind of label, to be edited outside of the work: corrections and adjudication.
import {useState} from "react";
import {DemonstrationWork} from "./DemonstrationWork";
import {DialogueWork} from "./DialogueWork";
import {missingIn} from "./labels";
import {RankingWork} from "./RankingWork";
import {RedteamWork} from "./RedteamWork";
import {ReviewWork} from "./ReviewWork";
import type {DemonstrationDraft, DialogueDraft, Draft, Project, RankingDraft, RedteamDraft, ReviewDraft, Task} from "./types";
import type {WorkProps} from "./work";

export function TaskBody(props: WorkProps<Draft>) {
  switch (props.task.kind) {
    case "demonstration": return <DemonstrationWork {...(props as WorkProps<DemonstrationDraft>)} />;
    case "dialogue": return <DialogueWork {...(props as WorkProps<DialogueDraft>)} />;
    case "ranking": return <RankingWork {...(props as WorkProps<RankingDraft>)} />;
    case "redteam": return <RedteamWork {...(props as WorkProps<RedteamDraft>)} />;
    case "review": return <ReviewWork {...(props as WorkProps<ReviewDraft>)} />;
  }
}

interface Props {
  task: Task;
  project: Project;
  draft: Draft;
  onChange: (patch: Partial<Draft>) => void;
}
export function LabelEditor({task, project, draft, onChange}: Props) {
  const [said, announce] = useState("");
  return (
    <div className="st-label-editor">
      <p className="visually-hidden" role="status" aria-live="polite">{said}</p>
      <TaskBody task={task} project={project} label={draft} change={onChange} announce={announce} tried={false} busy={false} closed
        missing={missingIn(task, draft, project.criteria)} />
    </div>
  );
}
