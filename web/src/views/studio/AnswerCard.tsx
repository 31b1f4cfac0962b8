// One answer of a ranking task: its text, a score of 1 to 7, the project's criteria, the paper's flags, and marked passages.
import {useState, type KeyboardEvent} from "react";
import {fill, useText} from "../../i18n";
import {studio} from "../../i18n/studio";
import {Markdown} from "../../markdown/Markdown";
import {PassageList, Passages} from "./Passages";
import {ranksAfterKey, useRankWords} from "./RankBoard";
import {Scale} from "./Scale";
import {PAPER_FLAGS, type Answer, type Flag, type RankingDraft, type Score} from "./types";
import {answerName} from "./labels";

interface Props {
  answers: Answer[];
  index: number;
  criteria: string[];
  label: RankingDraft;
  change: (patch: Partial<RankingDraft>) => void;
  announce: (text: string) => void;
  /** Marked after a try to send without it. */
  wanting: boolean;
}

export function AnswerCard({answers, index, criteria, label, change, announce, wanting}: Props) {
  const t = useText(studio);
  const words = useRankWords(answers);
  const [marking, setMarking] = useState(false);
  const answer = answers[index]!;
  const name = answerName(index);
  const score = label.scores[answer.id] ?? {};
  const flags = label.flags[answer.id] ?? [];
  const rank = label.ranks[answer.id];

  const setScore = (patch: Partial<Score>) => change({scores: {...label.scores, [answer.id]: {...score, ...patch}}});
  const toggle = (flag: Flag, on: boolean) =>
    change({flags: {...label.flags, [answer.id]: on ? [...flags, flag] : flags.filter(f => f !== flag)}});

  const onKey = (event: KeyboardEvent<HTMLElement>) => {
    if (event.target !== event.currentTarget || event.ctrlKey || event.metaKey || event.altKey) return;
    const digit = /^Digit([1-7])$/.exec(event.code)?.[1];
    if (event.shiftKey && digit !== undefined) {
      // Shift and a digit: the score, without leaving the card
      event.preventDefault();
      setScore({overall: Number(digit)});
      announce(fill(t.scoreIs, {answer: name, score: Number(digit)}));
      return;
    }
    const next = ranksAfterKey(label.ranks, answer.id, event.key, answers.length);
    if (next === null) return;
    event.preventDefault();
    change({ranks: next});
    announce(words(next, answer.id));
  };

  return (
    <article
      className="st-answer"
      data-answer={answer.id}
      data-wanting={wanting ? "" : undefined}
      tabIndex={0}
      aria-label={words(label.ranks, answer.id)}
      aria-describedby="st-answer-hint"
      onKeyDown={onKey}
    >
      <header>
        <h3>
          <span className="st-letter" aria-hidden="true">
            {name}
          </span>
          <span>{fill(t.answer, {answer: name})}</span>
        </h3>
        <span className="st-rank-badge" data-set={rank === undefined ? undefined : ""}>
          {rank === undefined ? t.rankNone : fill(t.rankShort, {rank})}
        </span>
        <button type="button" className="st-quiet" aria-pressed={marking} onClick={() => setMarking(!marking)}>
          {marking ? t.passageDone : t.passageMark}
        </button>
      </header>
      {marking ? (
        <Passages answer={answer} name={name} spans={label.spans} announce={announce} onChange={spans => change({spans})} />
      ) : (
        <div className="st-answer-text">
          <Markdown text={answer.content} />
          <PassageList
            answer={answer}
            spans={label.spans.filter(s => s.answer === answer.id)}
            onRemove={span => change({spans: label.spans.filter(s => s !== span)})}
          />
        </div>
      )}
      <div className="st-judgment">
        <div className="st-scores">
          <Scale
            label={t.scoreOverall}
            from={1}
            to={7}
            value={score.overall}
            low={t.scoreLow}
            high={t.scoreHigh}
            onChange={overall => setScore({overall})}
          />
          {criteria.map(criterion => (
            <Scale
              key={criterion}
              compact
              label={criterion}
              from={1}
              to={7}
              value={score.criteria?.[criterion]}
              onChange={value => setScore({criteria: {...score.criteria, [criterion]: value}})}
            />
          ))}
        </div>
        <fieldset className="st-flags">
          <legend>{t.flags}</legend>
          {PAPER_FLAGS.map(flag => (
            <label key={flag}>
              <input type="checkbox" checked={flags.includes(flag)} onChange={e => toggle(flag, e.target.checked)} />
              <span>{t[`flag_${flag}`]}</span>
            </label>
          ))}
        </fieldset>
      </div>
    </article>
  );
}
