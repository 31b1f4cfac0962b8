// Write the answer the assistant should give. A model's suggestion lies at hand and is never put in by itself.
import {useText} from "../../i18n";
import {studio} from "../../i18n/studio";
import {Conversation} from "./Conversation";
import {Editor} from "./Editor";
import {Suggestions} from "./Suggestions";
import type {WorkProps} from "./work";
import type {DemonstrationDraft} from "./types";

export function DemonstrationWork({task, label, change, tried, missing, announce, closed}: WorkProps<DemonstrationDraft>) {
  const t = useText(studio);
  return (
    <>
      <Conversation messages={task.messages} />
      <Editor
        label={t.demonstrationYours}
        value={label.content}
        rows={12}
        invalid={tried && missing.length > 0}
        placeholder={t.demonstrationPlaceholder}
        onChange={content => change({content})}
      />
      {!closed && (
        <Suggestions
          task={task.id}
          messages={task.messages}
          first={task.suggestion}
          announce={announce}
          replaces={label.content.trim() !== ""}
          onUse={content => change({content})}
        />
      )}
    </>
  );
}
