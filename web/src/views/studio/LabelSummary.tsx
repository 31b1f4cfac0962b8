// A label to read: what its person chose, beside the answers it is about.
import {fill, useText} from "../../i18n";
import {common} from "../../i18n/common";
import {studio} from "../../i18n/studio";
import {Conversation} from "./Conversation";
import {answerName} from "./labels";
import {PassageList} from "./Passages";
import {groups} from "./ranks";
import {Markdown} from "../../markdown/Markdown";
import type {Answer, DemonstrationDraft, DialogueDraft, Draft, Kind, RankingDraft, RedteamDraft, ReviewDraft} from "./types";

export function LabelSummary({kind, label, answers}: {kind: Kind; label: Draft; answers: Answer[]}) {
  switch (kind) {
    case "demonstration": return <div className="card"><Markdown text={(label as DemonstrationDraft).content} /></div>;
    case "dialogue": return <Conversation messages={(label as DialogueDraft).messages} />;
    case "ranking": return <RankingSummary label={label as RankingDraft} answers={answers} />;
    case "redteam": return <RedteamSummary label={label as RedteamDraft} />;
    case "review": return <ReviewSummary label={label as ReviewDraft} />;
  }
}

const nameIn = (answers: Answer[], id: string) => answerName(answers.findIndex(a => a.id === id));

// "B > A = D > C"
export function orderOf(label: RankingDraft, answers: Answer[]): string {
  return groups(label.ranks ?? {}).map(row => row.map(id => nameIn(answers, id)).sort().join(" = ")).join(" > ");
}

function RankingSummary({label, answers}: {label: RankingDraft; answers: Answer[]}) {
  const t = useText(studio);
  const sorted = [...answers].sort((a, b) => (label.ranks[a.id] ?? 99) - (label.ranks[b.id] ?? 99));
  return (
    <div className="stack">
      {label.flagged && <p className="notice"><b>{t.flaggedTitle}</b> {label.flagged}</p>}
      <ol className="st-ranked">
        {sorted.map(answer => {
          const score = label.scores?.[answer.id];
          const spans = (label.spans ?? []).filter(s => s.answer === answer.id);
          return (
            <li key={answer.id} className="card">
              <div className="row">
                <span className="st-rank-badge" data-set={label.ranks[answer.id] ? "" : undefined}>
                  {label.ranks[answer.id] ? fill(t.rankShort, {rank: label.ranks[answer.id]!}) : t.rankNone}</span>
                <b>{fill(t.answer, {answer: nameIn(answers, answer.id)})}</b>
                {score?.overall && <span className="muted">{fill(t.scoreOf7, {n: score.overall})}</span>}
                {Object.entries(score?.criteria ?? {}).map(([name, n]) => <span key={name} className="muted">{name}: {n}</span>)}
                {(label.flags?.[answer.id] ?? []).map(flag => <span key={flag} className="st-flag">{t[`flag_${flag}`] ?? flag}</span>)}
              </div>
              <Markdown text={answer.content} />
              <PassageList answer={answer} spans={spans} />
            </li>
          );
        })}
      </ol>
      <Comment text={label.comment} />
    </div>
  );
}

function RedteamSummary({label}: {label: RedteamDraft}) {
  const t = useText(studio);
  return (
    <div className="stack">
      <Conversation messages={label.messages} />
      <dl className="st-facts">
        <div><dt>{t.redteamHarm}</dt><dd>{label.harm === null ? "–" : `${label.harm}: ${t[`redteamHarm${label.harm as 0 | 1 | 2 | 3 | 4}`] ?? ""}`}</dd></div>
        <div><dt>{t.redteamSuccess}</dt><dd>{label.success === null ? "–" : label.success ? t.redteamSuccessYes : t.redteamSuccessNo}</dd></div>
        <div><dt>{t.redteamTags}</dt><dd>{label.tags.map(tag => (t as Record<string, string>)[`redteamTag_${tag}`] ?? tag).join(", ") || "–"}</dd></div>
      </dl>
      <Comment text={label.comment} />
    </div>
  );
}

function ReviewSummary({label}: {label: ReviewDraft}) {
  const t = useText(studio);
  return (
    <div className="stack">
      <p><b>{label.verdict ? t[`review_${label.verdict}`] : "–"}</b></p>
      {label.content && <div className="card"><Markdown text={label.content} /></div>}
      <Comment text={label.comment} />
    </div>
  );
}

function Comment({text}: {text?: string}) {
  const t = useText(studio);
  return text ? <p><span className="muted">{t.comment}:</span> {text}</p> : null;
}

// One line that tells a label from the next in a list.
export function useGist(): (label: Draft, kind: Kind, answers?: Answer[]) => string {
  const t = useText(studio);
  const tc = useText(common);
  return (label, kind, answers) => {
    switch (kind) {
      case "demonstration": return (label as DemonstrationDraft).content.slice(0, 140);
      case "dialogue": return fill(t.gistTurns, {n: (label as DialogueDraft).messages.length});
      case "ranking": {
        const ranking = label as RankingDraft;
        if (ranking.flagged) return `${t.flaggedTitle} ${ranking.flagged}`;
        return answers ? orderOf(ranking, answers) : fill(t.gistRanked, {n: Object.keys(ranking.ranks ?? {}).length, rows: groups(ranking.ranks ?? {}).length});
      }
      case "redteam": return fill(t.gistHarm, {n: (label as RedteamDraft).harm ?? "–", success: (label as RedteamDraft).success ? tc.yes : tc.no});
      case "review": return (label as ReviewDraft).verdict ? t[`review_${(label as ReviewDraft).verdict!}`] : "–";
    }
  };
}
