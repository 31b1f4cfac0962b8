// K shelves, 1 the best; answers are dragged onto them, put there by keys, or by the list of ranks on each card. Answers on one
// shelf are tied. What is not placed yet waits on top.
import {useLayoutEffect, useRef, type HTMLAttributes, type KeyboardEvent} from "react";
import {fill, useText} from "../../i18n";
import {studio} from "../../i18n/studio";
import {useDrag} from "./drag";
import {answerName} from "./labels";
import {insert, lift, onShelf, place, step, tiedWith, tieWithAbove, type Ranks} from "./ranks";
import type {Answer} from "./types";

// What a key does to the focused answer; null if the key means nothing here. Used by the answer cards too.
export function ranksAfterKey(ranks: Ranks, id: string, key: string, k: number): Ranks | null {
  if (/^[1-9]$/.test(key)) return Number(key) <= k ? place(ranks, id, Number(key), k) : null;
  switch (key) {
    case "ArrowUp": return step(ranks, id, -1, k);
    case "ArrowDown": return step(ranks, id, 1, k);
    case "t": case "T": return tieWithAbove(ranks, id);
    case "0": case "Backspace": case "Delete": return lift(ranks, id);
    default: return null;
  }
}

export function useRankWords(answers: Answer[]) {
  const t = useText(studio);
  const nameOf = (id: string) => answerName(answers.findIndex(a => a.id === id));
  return (ranks: Ranks, id: string): string => {
    const answer = nameOf(id), rank = ranks[id];
    if (rank === undefined) return fill(t.rankNotYet, {answer});
    const others = tiedWith(ranks, id).map(nameOf).join(", ");
    return others ? fill(t.rankIsTied, {answer, rank, others}) : fill(t.rankIs, {answer, rank});
  };
}

interface Props {
  answers: Answer[];
  ranks: Ranks;
  onChange: (ranks: Ranks) => void;
  announce: (text: string) => void; // tells a screen reader what moved
}
export function RankBoard({answers, ranks, onChange, announce}: Props) {
  const t = useText(studio);
  const words = useRankWords(answers);
  const k = answers.length;
  const board = useRef<HTMLDivElement>(null);
  const refocus = useRef<string | null>(null);

  const change = (next: Ranks, id: string) => {
    onChange(next);
    announce(words(next, id));
  };
  const {drag, handlers} = useDrag((id, on) => {
    const [kind, at] = on.split("-");
    if (kind === "pool") change(lift(ranks, id), id);
    else change(kind === "gap" ? insert(ranks, id, Number(at), k) : place(ranks, id, Number(at), k), id);
  });
  useLayoutEffect(() => {
    // A card that changed its shelf is a new element: give it the focus back.
    if (refocus.current === null) return;
    board.current?.querySelector<HTMLElement>(`[data-card="${CSS.escape(refocus.current)}"]`)?.focus();
    refocus.current = null;
  }, [ranks]);
  const onKey = (event: KeyboardEvent<HTMLElement>, id: string) => {
    if (event.target !== event.currentTarget || event.ctrlKey || event.metaKey || event.altKey) return;
    const next = ranksAfterKey(ranks, id, event.key, k);
    if (next === null) return;
    event.preventDefault();
    refocus.current = id;
    change(next, id);
  };

  const chip = (answer: Answer) => (
    <Chip key={answer.id} answers={answers} answer={answer} rank={ranks[answer.id]} words={words(ranks, answer.id)} dragged={drag?.id === answer.id}
      onRank={rank => change(rank === null ? lift(ranks, answer.id) : place(ranks, answer.id, rank, k), answer.id)}
      onKeyDown={event => onKey(event, answer.id)} {...handlers(answer.id)} />
  );
  const waiting = answers.filter(a => ranks[a.id] === undefined);
  const dragged = answers.find(a => a.id === drag?.id);
  const over = (name: string) => (drag?.over === name ? "" : undefined);
  return (
    <div className="st-board" ref={board} data-dragging={drag ? "" : undefined}>
      <p id="st-rank-hint" className="st-hint">{t.rankHint}</p>
      <div className="st-pool" data-drop="pool" data-over={over("pool")} role="group" aria-label={t.rankPool}>
        {waiting.length > 0 ? waiting.map(chip) : <p className="st-hint">{t.rankAllPlaced}</p>}
      </div>
      <ol className="st-shelves" aria-label={t.rankShelves}>
        {answers.map((_, i) => {
          const n = i + 1;
          const here = answers.filter(a => onShelf(ranks, n).includes(a.id));
          return (
            <li key={n}>
              <div className="st-gap" data-drop={`gap-${n}`} data-over={over(`gap-${n}`)} />
              <div className="st-shelf" data-drop={`shelf-${n}`} data-over={over(`shelf-${n}`)} data-tied={here.length > 1 ? "" : undefined}>
                <span className="st-rank-number">{n}<small>{n === 1 ? t.rankBest : n === k ? t.rankWorst : ""}</small></span>
                <div className="st-shelf-cards">{here.map(chip)}</div>
                {here.length > 1 && <span className="st-tie">{t.rankTie}</span>}
              </div>
            </li>
          );
        })}
      </ol>
      {drag && dragged && (
        <div className="st-chip st-ghost" aria-hidden="true" style={{left: drag.left, top: drag.top, width: drag.width}}>
          <Face answers={answers} answer={dragged} />
        </div>
      )}
    </div>
  );
}

function Face({answers, answer}: {answers: Answer[]; answer: Answer}) {
  return (
    <>
      <span className="st-grip" aria-hidden="true">⠿</span>
      <b className="st-letter" aria-hidden="true">{answerName(answers.indexOf(answer))}</b>
      <span className="st-excerpt" aria-hidden="true">{answer.content.slice(0, 160)}</span>
    </>
  );
}

interface ChipProps extends HTMLAttributes<HTMLDivElement> {
  answers: Answer[];
  answer: Answer;
  rank: number | undefined;
  words: string;
  dragged: boolean;
  onRank: (rank: number | null) => void;
}
function Chip({answers, answer, rank, words, dragged, onRank, ...handlers}: ChipProps) {
  const t = useText(studio);
  return (
    <div data-card={answer.id} className="st-chip" role="group" tabIndex={0} aria-label={words} aria-describedby="st-rank-hint"
      aria-keyshortcuts="1 2 3 4 5 6 7 8 9 ArrowUp ArrowDown T" data-dragged={dragged ? "" : undefined} {...handlers}>
      <Face answers={answers} answer={answer} />
      <select aria-label={fill(t.rankChoose, {answer: answerName(answers.indexOf(answer))})} value={rank ?? ""}
        onChange={e => onRank(e.target.value === "" ? null : Number(e.target.value))}>
        <option value="">{t.rankNone}</option>
        {answers.map((_, i) => <option key={i} value={i + 1}>{i + 1}</option>)}
      </select>
    </div>
  );
}
