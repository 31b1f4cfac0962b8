// A second person's look at a label: good, mended, or rejected with a reason.
import {useText} from "../../i18n";
import {studio} from "../../i18n/studio";
import {Markdown} from "../../markdown/Markdown";
import {Conversation} from "./Conversation";
import {Editor} from "./Editor";
import type {WorkProps} from "./work";
import type {ReviewDraft} from "./types";

const kVerdicts = ["good", "fix", "reject"] as const;

export function ReviewWork({task, label, change, tried, missing}: WorkProps<ReviewDraft>) {
  const t = useText(studio);
  const answer = task.answers[0]?.content ?? task.suggestion;
  const choose = (verdict: ReviewDraft["verdict"]) =>
    change(verdict === "fix" && label.content === undefined ? {verdict, content: answer} : {verdict});
  return (
    <>
      <Conversation messages={task.messages} />
      {answer !== "" && (
        <section className="st-answer" aria-label={t.reviewTheirs}>
          <header>
            <h3>{t.reviewTheirs}</h3>
          </header>
          <Markdown text={answer} />
        </section>
      )}
      <fieldset className="st-choices st-verdicts" data-wanting={tried && missing.some(m => m.what === "verdict") ? "" : undefined}>
        <legend>{t.reviewVerdict}</legend>
        {kVerdicts.map(verdict => (
          <label key={verdict}>
            <input type="radio" name="verdict" checked={label.verdict === verdict} onChange={() => choose(verdict)} />
            <span>
              <b>{t[`review_${verdict}`]}</b> <small>{t[`review_${verdict}Hint`]}</small>
            </span>
          </label>
        ))}
      </fieldset>
      {label.verdict === "fix" && (
        <Editor label={t.reviewMended} value={label.content ?? answer} rows={8} onChange={content => change({content})} />
      )}
      <label className="st-field">
        <span>{label.verdict === "reject" ? t.reviewWhy : t.comment}</span>
        <textarea
          rows={3}
          value={label.comment}
          aria-invalid={(tried && missing.some(m => m.what === "why")) || undefined}
          onChange={e => change({comment: e.target.value})}
        />
      </label>
    </>
  );
}
