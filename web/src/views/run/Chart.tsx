// A small line chart in SVG: a faint line as measured, a strong one smoothed, and a cursor that reads values.
import {memo, useMemo, useState, type PointerEvent} from "react";
import {fill, useText} from "../../i18n";
import {run} from "../../i18n/run";
import {range, short, smoothed, ticks, type Point} from "./series";

const WIDTH = 360, HEIGHT = 170, LEFT = 44, RIGHT = 8, TOP = 10, BOTTOM = 22;

export const Chart = memo(function Chart({title, points}: {title: string; points: readonly Point[]}) {
  const t = useText(run);
  const [at, setAt] = useState<number | null>(null);
  const drawn = useMemo(() => {
    const strong = smoothed(points);
    const x0 = points[0]![0], x1 = Math.max(points[points.length - 1]![0], x0 + 1);
    const [y0, y1] = range(points);
    const px = (x: number) => LEFT + (x - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT);
    const py = (y: number) => TOP + Math.min(1, Math.max(-0.02, (y1 - y) / (y1 - y0))) * (HEIGHT - TOP - BOTTOM);
    const line = (list: readonly Point[]) => list.map(([x, y], i) => `${i ? "L" : "M"}${px(x).toFixed(1)} ${py(y).toFixed(1)}`).join("");
    return {strong, x1, px, py, yTicks: ticks(y0, y1, 4), xTicks: ticks(x0, x1, 4).filter(x => px(x) >= LEFT + 34), raw: line(points), smooth: line(strong)};
  }, [points]);
  const {strong, px, py} = drawn;
  const read = (event: PointerEvent<SVGSVGElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width * WIDTH;
    let best = 0;
    for (let i = 1; i < points.length; ++i) if (Math.abs(px(points[i]![0]) - x) < Math.abs(px(points[best]![0]) - x)) best = i;
    setAt(best);
  };
  const cursor = at === null ? undefined : strong[at];
  const end = strong[strong.length - 1]!;
  return (
    <figure className="chart">
      <figcaption><span>{title}</span><span className="now">{cursor ? fill(t.at, {y: short(cursor[1]), x: short(cursor[0])}) : short(end[1])}</span></figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={fill(t.chartLabel, {title, a: short(strong[0]![1]), b: short(end[1]), n: short(drawn.x1)})}
        onPointerMove={read} onPointerDown={read} onPointerLeave={() => setAt(null)}>
        {drawn.yTicks.map(y => <g key={y}><line className="grid" x1={LEFT} x2={WIDTH - RIGHT} y1={py(y)} y2={py(y)} /><text x={LEFT - 6} y={py(y) + 4} textAnchor="end">{short(y)}</text></g>)}
        {drawn.xTicks.map(x => {
          const last = px(x) > WIDTH - 24;
          return <text key={x} x={last ? WIDTH - RIGHT : px(x)} y={HEIGHT - 6} textAnchor={last ? "end" : "middle"}>{short(x)}</text>;
        })}
        <text x={LEFT} y={HEIGHT - 6}>{t.stepAxis}</text>
        <path className="raw" d={drawn.raw} /><path className="smooth" d={drawn.smooth} />
        {cursor && <><line className="cursor" x1={px(cursor[0])} x2={px(cursor[0])} y1={TOP} y2={HEIGHT - BOTTOM} /><circle className="dot" r={4} cx={px(cursor[0])} cy={py(cursor[1])} /></>}
      </svg>
    </figure>
  );
});
