// Points of a curve: smoothed, scaled, and as text.
export type Point = readonly [x: number, y: number];

// Round values that span [low, high].
export function ticks(low: number, high: number, count: number): number[] {
  const rough = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map(m => m * power).find(s => s >= rough * (1 - 1e-9)) ?? 10 * power;
  const out: number[] = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; ++i) out.push(i * step + 0); // + 0: no minus before a zero
  return out;
}

const trim = (text: string) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
export function short(x: number | null | undefined): string {
  if (x === null || x === undefined || !Number.isFinite(x)) return "–";
  const size = Math.abs(x);
  if (size >= 1e6) return `${trim((x / 1e6).toFixed(1))}M`;
  if (size >= 1e4) return `${trim((x / 1e3).toFixed(0))}k`;
  if (size >= 100) return x.toFixed(0);
  if (size >= 1) return trim(x.toFixed(2));
  if (size === 0) return "0";
  return size >= 0.001 ? trim(x.toFixed(3)) : x.toExponential(0);
}

// The mean of an exponential mean from the left and one from the right: it does not lag behind. The span grows with the number
// of points.
export function smoothed(points: readonly Point[]): Point[] {
  const keep = 1 - 1 / Math.max(1, Math.min(9, points.length / 16));
  const pass = (ys: number[]) => {
    let sum = 0, weight = 0;
    return ys.map(y => {
      sum = keep * sum + y;
      weight = keep * weight + 1;
      return sum / weight;
    });
  };
  const ys = points.map(p => p[1]);
  const left = pass(ys), right = pass([...ys].reverse()).reverse();
  return points.map(([x], i) => [x, (left[i]! + right[i]!) / 2] as const);
}

// The visible range of y: outliers of the very start must not flatten the rest.
export function range(points: readonly Point[]): [number, number] {
  const ys = points.map(p => p[1]).sort((a, b) => a - b);
  let low = ys[Math.floor(ys.length * 0.005)]!, high = ys[Math.ceil(ys.length * 0.99) - 1]!;
  if (high - low < 1e-12) {
    low -= Math.abs(low) * 0.1 || 0.5;
    high += Math.abs(high) * 0.1 || 0.5;
  }
  const pad = (high - low) * 0.06;
  return [low >= 0 && low - pad < 0 ? 0 : low - pad, high + pad];
}
