// Write the answer the assistant should give. A model's suggestion lies at hand; it is put in by the person alone, or where the
// project lets the work begin with it: then that is said for as long as it stands there as it was.
import {useText} from "../../i18n";
import {studio} from "../../i18n/studio";
import {Button, Icon} from "../../ui";
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
      {task.prefill && !closed && (
        <p className="notice st-prefilled" role="note"><Icon name="warning" size={18} />
          <span><b>{label.content.trimEnd() === task.suggestion.trimEnd() ? t.prefilledAsIs : t.prefilled}</b> {t.prefilledText}</span>
          <Button kind="quiet" disabled={label.content === ""} onClick={() => change({content: ""})}>{t.prefilledClear}</Button>
        </p>
      )}
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
