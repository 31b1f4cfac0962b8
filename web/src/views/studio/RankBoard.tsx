// K shelves, 1 the best; answers are dragged onto them (pointer events: mouse, pen and touch alike), put there by keys, or by
// the list of ranks on each card. Answers on one shelf are tied. What is not placed yet waits on top.
import {useLayoutEffect, useRef, useState, type KeyboardEvent, type PointerEvent} from "react";
import {fill, useText} from "../../i18n";
import {studio} from "../../i18n/studio";
import {answerName} from "./labels";
import {insert, lift, onShelf, place, step, tiedWith, tieWithAbove, type Ranks} from "./ranks";
import type {Answer} from "./types";

interface Props {
  answers: Answer[];
  ranks: Ranks;
  onChange: (ranks: Ranks) => void;
  /** Tells a screen reader what moved. */
  announce: (text: string) => void;
}

type Target = {kind: "shelf" | "gap"; at: number} | {kind: "pool"};
interface Drag {
  id: string;
  x: number;
  y: number;
  over: string;
  started: boolean;
  dx: number;
  dy: number;
  width: number;
}

const kDragStart = 6;
const kScrollEdge = 56;

/** What a key does to the focused answer; null if the key means nothing here. Used by the answer cards too. */
export function ranksAfterKey(ranks: Ranks, id: string, key: string, k: number): Ranks | null {
  if (/^[1-9]$/.test(key)) return Number(key) <= k ? place(ranks, id, Number(key), k) : null;
  switch (key) {
    case "ArrowUp":
      return step(ranks, id, -1, k);
    case "ArrowDown":
      return step(ranks, id, 1, k);
    case "t":
    case "T":
      return tieWithAbove(ranks, id);
    case "0":
    case "Backspace":
    case "Delete":
      return lift(ranks, id);
    default:
      return null;
  }
}

function targetAt(x: number, y: number): {target: Target; name: string} | null {
  const element = document.elementFromPoint(x, y)?.closest<HTMLElement>("[data-drop]");
  const name = element?.dataset.drop;
  if (name === undefined) return null;
  if (name === "pool") return {target: {kind: "pool"}, name};
  const [kind, at] = name.split("-");
  return {target: {kind: kind as "shelf" | "gap", at: Number(at)}, name};
}

export function useRankWords(answers: Answer[]) {
  const t = useText(studio);
  const nameOf = (id: string) => answerName(answers.findIndex(a => a.id === id));
  return (ranks: Ranks, id: string): string => {
    const answer = nameOf(id);
    if (ranks[id] === undefined) return fill(t.rankNotYet, {answer});
    const tied = tiedWith(ranks, id).map(nameOf).join(", ");
    return tied ? fill(t.rankIsTied, {answer, rank: ranks[id]!, others: tied}) : fill(t.rankIs, {answer, rank: ranks[id]!});
  };
}

export function RankBoard({answers, ranks, onChange, announce}: Props) {
  const t = useText(studio);
  const words = useRankWords(answers);
  const k = answers.length;
  const [drag, setDrag] = useState<Drag | null>(null);
  const board = useRef<HTMLDivElement>(null);
  const refocus = useRef<string | null>(null);

  useLayoutEffect(() => {
    // a card that changed its shelf is a new element: give it the focus back
    if (refocus.current === null) return;
    board.current?.querySelector<HTMLElement>(`[data-card="${CSS.escape(refocus.current)}"]`)?.focus();
    refocus.current = null;
  }, [ranks]);

  const change = (next: Ranks, id: string) => {
    onChange(next);
    announce(words(next, id));
  };

  const onKey = (event: KeyboardEvent<HTMLElement>, id: string) => {
    if (event.target !== event.currentTarget || event.ctrlKey || event.metaKey || event.altKey) return;
    const next = ranksAfterKey(ranks, id, event.key, k);
    if (next === null) return;
    event.preventDefault();
    refocus.current = id;
    change(next, id);
  };

  const onDown = (event: PointerEvent<HTMLElement>, id: string) => {
    // By touch only the grip drags, so that a finger on a card still scrolls the page.
    const grip = (event.target as HTMLElement).closest(".st-grip") !== null;
    if (event.button !== 0 || (event.target as HTMLElement).closest("select")) return;
    if (event.pointerType === "touch" && !grip) return;
    const box = event.currentTarget.getBoundingClientRect();
    event.currentTarget.setPointerCapture(event.pointerId);
    setDrag({
      id,
      x: event.clientX,
      y: event.clientY,
      over: "",
      started: false,
      dx: event.clientX - box.left,
      dy: event.clientY - box.top,
      width: box.width,
    });
  };
  const onMove = (event: PointerEvent<HTMLElement>) => {
    if (drag === null) return;
    const far = Math.hypot(event.clientX - drag.x, event.clientY - drag.y) > kDragStart;
    if (!drag.started && !far) return;
    const scroller = board.current?.closest("main, dialog");
    if (event.clientY < kScrollEdge) scroller?.scrollBy(0, -12);
    else if (event.clientY > window.innerHeight - kScrollEdge) scroller?.scrollBy(0, 12);
    setDrag({...drag, started: true, x: event.clientX, y: event.clientY, over: targetAt(event.clientX, event.clientY)?.name ?? ""});
  };
  const onUp = (event: PointerEvent<HTMLElement>) => {
    if (drag === null) return;
    setDrag(null);
    if (!drag.started) return;
    const hit = targetAt(event.clientX, event.clientY)?.target;
    if (hit === undefined) return;
    if (hit.kind === "pool") change(lift(ranks, drag.id), drag.id);
    else change(hit.kind === "shelf" ? place(ranks, drag.id, hit.at, k) : insert(ranks, drag.id, hit.at, k), drag.id);
  };

  const card = (id: string) => {
    const index = answers.findIndex(a => a.id === id);
    const answer = answers[index]!;
    const name = answerName(index);
    return (
      <div
        key={id}
        data-card={id}
        className="st-chip"
        role="group"
        tabIndex={0}
        aria-label={words(ranks, id)}
        aria-describedby="st-rank-hint"
        aria-keyshortcuts="1 2 3 4 5 6 7 8 9 ArrowUp ArrowDown T"
        data-dragged={drag?.started && drag.id === id ? "" : undefined}
        onKeyDown={e => onKey(e, id)}
        onPointerDown={e => onDown(e, id)}
        onPointerMove={onMove}
        onPointerUp={onUp}
        onPointerCancel={() => setDrag(null)}
      >
        <span className="st-grip" aria-hidden="true">
          ⠿
        </span>
        <b className="st-letter" aria-hidden="true">
          {name}
        </b>
        <span className="st-excerpt" aria-hidden="true">
          {answer.content.slice(0, 160)}
        </span>
        <select
          aria-label={fill(t.rankChoose, {answer: name})}
          value={ranks[id] ?? ""}
          onChange={e => change(e.target.value === "" ? lift(ranks, id) : place(ranks, id, Number(e.target.value), k), id)}
        >
          <option value="">{t.rankNone}</option>
          {answers.map((_, i) => (
            <option key={i} value={i + 1}>
              {i + 1}
            </option>
          ))}
        </select>
      </div>
    );
  };

  const waiting = answers.filter(a => ranks[a.id] === undefined);
  const over = (name: string) => (drag?.started && drag.over === name ? "" : undefined);
  const shelves = Array.from({length: k}, (_, i) => i + 1);
  return (
    <div className="st-board" ref={board} data-dragging={drag?.started ? "" : undefined}>
      <p id="st-rank-hint" className="st-hint">
        {t.rankHint}
      </p>
      <div className="st-pool" data-drop="pool" data-over={over("pool")} role="group" aria-label={t.rankPool}>
        {waiting.length > 0 ? waiting.map(a => card(a.id)) : <p className="st-hint">{t.rankAllPlaced}</p>}
      </div>
      <ol className="st-shelves" aria-label={t.rankShelves}>
        {shelves.map(n => {
          const here = answers.filter(a => onShelf(ranks, n).includes(a.id));
          return (
            <li key={n}>
              <div className="st-gap" data-drop={`gap-${n}`} data-over={over(`gap-${n}`)} />
              <div
                className="st-shelf"
                data-drop={`shelf-${n}`}
                data-over={over(`shelf-${n}`)}
                data-tied={here.length > 1 ? "" : undefined}
              >
                <span className="st-rank-number">
                  {n}
                  <small>{n === 1 ? t.rankBest : n === k ? t.rankWorst : ""}</small>
                </span>
                <div className="st-shelf-cards">{here.map(a => card(a.id))}</div>
                {here.length > 1 && <span className="st-tie">{t.rankTie}</span>}
              </div>
            </li>
          );
        })}
      </ol>
      {drag?.started && (
        <div className="st-chip st-ghost" aria-hidden="true" style={{left: drag.x - drag.dx, top: drag.y - drag.dy, width: drag.width}}>
          <span className="st-grip">⠿</span>
          <b className="st-letter">{answerName(answers.findIndex(a => a.id === drag.id))}</b>
          <span className="st-excerpt">{answers.find(a => a.id === drag.id)?.content.slice(0, 160)}</span>
        </div>
      )}
    </div>
  );
}
