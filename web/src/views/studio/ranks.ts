// The order a labeler gives to K answers, as the paper's screen has it: K numbered shelves, 1 the best, and answers on the
// same shelf are tied. `Ranks` holds only what is placed. All functions are pure and keep every rank within 1..K.
// With K answers and K shelves there is always an empty shelf once the answer that moves is lifted, so inserting never fails.

export type Ranks = Record<string, number>;

const without = (ranks: Ranks, id: string): Ranks => {
  const rest = {...ranks};
  delete rest[id];
  return rest;
};

const clamp = (n: number, k: number): number => Math.max(1, Math.min(k, Math.round(n)));

export const onShelf = (ranks: Ranks, shelf: number): string[] => Object.keys(ranks).filter(id => ranks[id] === shelf);

/** Puts an answer on a shelf, beside whatever lies there. */
export function place(ranks: Ranks, id: string, shelf: number, k: number): Ranks {
  return {...ranks, [id]: clamp(shelf, k)};
}

export const lift = without;

/** Puts an answer alone on `shelf`; what lay there moves down towards the nearest empty shelf (up, where none is below). */
export function insert(ranks: Ranks, id: string, shelf: number, k: number): Ranks {
  const rest = without(ranks, id);
  const at = clamp(shelf, k);
  let hole = at;
  while (hole <= k && onShelf(rest, hole).length > 0) hole++;
  const down = hole <= k;
  if (!down) {
    hole = at - 1;
    while (hole >= 1 && onShelf(rest, hole).length > 0) hole--;
    if (hole < 1) return place(rest, id, at, k); // more shelves taken than answers allow: cannot be, so only a tie
  }
  const moved: Ranks = {};
  for (const [other, n] of Object.entries(rest)) {
    if (down) moved[other] = n >= at && n < hole ? n + 1 : n;
    else moved[other] = n > hole && n <= at ? n - 1 : n;
  }
  return {...moved, [id]: at};
}

/** One step better (-1) or worse (+1). Leaves a tie first; then steps onto an empty shelf or changes places with a full one. */
export function step(ranks: Ranks, id: string, by: -1 | 1, k: number): Ranks {
  const from = ranks[id];
  if (from === undefined) {
    const free = Array.from({length: k}, (_, i) => i + 1).filter(n => onShelf(ranks, n).length === 0);
    return place(ranks, id, (by === -1 ? free[0] : free[free.length - 1]) ?? (by === -1 ? 1 : k), k);
  }
  if (onShelf(ranks, from).length > 1) {
    const to = from + by;
    if (to >= 1 && to <= k && onShelf(ranks, to).length === 0) return place(ranks, id, to, k);
    return leaveTie(ranks, id, by, k);
  }
  const to = from + by;
  if (to < 1 || to > k) return ranks;
  const swapped = {...ranks};
  for (const other of onShelf(ranks, to)) swapped[other] = from;
  return {...swapped, [id]: to};
}

function leaveTie(ranks: Ranks, id: string, by: -1 | 1, k: number): Ranks {
  // Everything in order, the tie split in two, then laid on shelves again from the first one that was used.
  const rows = groups(ranks);
  const at = rows.findIndex(row => row.includes(id));
  const rest = rows[at]!.filter(other => other !== id);
  const split = by === -1 ? [[id], rest] : [rest, [id]];
  const laid = [...rows.slice(0, at), ...split, ...rows.slice(at + 1)];
  const first = Math.min(Math.min(...Object.values(ranks)), k - laid.length + 1);
  return Object.fromEntries(laid.flatMap((row, i) => row.map(other => [other, clamp(first + i, k)])));
}

/** Ties an answer with the nearest one above it; an unplaced answer ties with the last. */
export function tieWithAbove(ranks: Ranks, id: string): Ranks {
  const mine = ranks[id] ?? Infinity;
  const above = Object.entries(ranks)
    .filter(([other, n]) => other !== id && n < mine)
    .map(([, n]) => n);
  return above.length === 0 ? ranks : {...ranks, [id]: Math.max(...above)};
}

/** The answers best first, tied ones together. */
export function groups(ranks: Ranks): string[][] {
  const shelves = [...new Set(Object.values(ranks))].sort((a, b) => a - b);
  return shelves.map(n => onShelf(ranks, n));
}

/** Without gaps: 1, 2, 2, 5 becomes 1, 2, 2, 3. What is sent. */
export function dense(ranks: Ranks): Ranks {
  return Object.fromEntries(groups(ranks).flatMap((row, i) => row.map(id => [id, i + 1])));
}

export const tiedWith = (ranks: Ranks, id: string): string[] =>
  ranks[id] === undefined ? [] : onShelf(ranks, ranks[id]).filter(other => other !== id);

export const isComplete = (ranks: Ranks, ids: readonly string[]): boolean => ids.every(id => ranks[id] !== undefined);
