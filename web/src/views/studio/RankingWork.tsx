// The ranking task: read and score each answer, then put them all in order.
import {fill, useText} from "../../i18n";
import {studio} from "../../i18n/studio";
import {AnswerCard} from "./AnswerCard";
import {Conversation} from "./Conversation";
import {RankBoard} from "./RankBoard";
import type {WorkProps} from "./work";
import type {RankingDraft} from "./types";

export function RankingWork({task, project, label, change, announce, missing, tried}: WorkProps<RankingDraft>) {
  const t = useText(studio);
  const scored = task.answers.filter(a => !missing.some(m => m.answer === a.id && m.what !== "rank")).length;
  const placed = task.answers.filter(a => label.ranks[a.id] !== undefined).length;
  return (
    <>
      <Conversation messages={task.messages} />
      <section aria-labelledby="st-read">
        <div className="st-section-head">
          <h2 id="st-read">{t.rankingRead}</h2>
          <span className="st-count">{fill(t.rankingScored, {done: scored, all: task.answers.length})}</span>
        </div>
        <p className="st-hint" id="st-answer-hint">
          {t.rankingReadHint}
        </p>
        <div className="st-answers">
          {task.answers.map((answer, i) => (
            <AnswerCard
              key={answer.id}
              answers={task.answers}
              index={i}
              criteria={project.criteria}
              label={label}
              change={change}
              announce={announce}
              wanting={tried && missing.some(m => m.answer === answer.id)}
            />
          ))}
        </div>
      </section>
      <section aria-labelledby="st-order">
        <div className="st-section-head">
          <h2 id="st-order">{t.rankingOrder}</h2>
          <span className="st-count">{fill(t.rankingPlaced, {done: placed, all: task.answers.length})}</span>
        </div>
        <RankBoard answers={task.answers} ranks={label.ranks} onChange={ranks => change({ranks})} announce={announce} />
      </section>
      <label className="st-field">
        <span>{t.comment}</span>
        <textarea rows={2} value={label.comment} onChange={e => change({comment: e.target.value})} />
      </label>
    </>
  );
}
