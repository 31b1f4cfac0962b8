// Small line charts in SVG: a faint line as measured, a strong one smoothed, and a cursor that reads values. Used by page.js.
"use strict";

const Charts = (() => {
  const SVG = "http://www.w3.org/2000/svg";
  const WIDTH = 360, HEIGHT = 170, LEFT = 44, RIGHT = 8, TOP = 10, BOTTOM = 22;

  function node(name, attributes, text) {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes || {})) element.setAttribute(key, value);
    if (text !== undefined) element.textContent = text;
    return element;
  }

  // 3 to 6 round values that span [low, high].
  function ticks(low, high, count) {
    const rough = (high - low) / count || 1;
    const power = Math.pow(10, Math.floor(Math.log10(rough)));
    const step = [1, 2, 2.5, 5, 10].map(m => m * power).find(s => s >= rough);
    const out = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; ++i) out.push(i * step);
    return out;
  }

  function short(x) {
    if (x === null || x === undefined || !isFinite(x)) return "–";
    const size = Math.abs(x);
    if (size >= 1e6) return trim((x / 1e6).toFixed(1)) + "M";
    if (size >= 1e4) return trim((x / 1e3).toFixed(0)) + "k";
    if (size >= 100) return x.toFixed(0);
    if (size >= 1) return trim(x.toFixed(2));
    if (size === 0) return "0";
    return size >= 0.001 ? trim(x.toFixed(3)) : x.toExponential(0);
  }
  const trim = text => text.includes(".") ? text.replace(/\.?0+$/, "") : text;

  // The mean of an exponential mean from the left and one from the right: it does not lag behind. The span grows with the
  // number of points.
  function smoothed(points) {
    const keep = 1 - 1 / Math.max(1, Math.min(9, points.length / 16));
    const pass = ys => {
      let sum = 0, weight = 0;
      return ys.map(y => { sum = keep * sum + y; weight = keep * weight + 1; return sum / weight; });
    };
    const ys = points.map(p => p[1]);
    const left = pass(ys), right = pass(ys.slice().reverse()).reverse();
    return points.map(([x], i) => [x, (left[i] + right[i]) / 2]);
  }

  function path(points, px, py) {
    return points.map(([x, y], i) => (i ? "L" : "M") + px(x).toFixed(1) + " " + py(y).toFixed(1)).join("");
  }

  // The visible range of y: outliers of the very start must not flatten the rest.
  function range(points) {
    const ys = points.map(p => p[1]).sort((a, b) => a - b);
    let low = ys[Math.floor(ys.length * 0.005)], high = ys[Math.ceil(ys.length * 0.99) - 1];
    if (high - low < 1e-12) { low -= Math.abs(low) * 0.1 || 0.5; high += Math.abs(high) * 0.1 || 0.5; }
    const pad = (high - low) * 0.06;
    return [low >= 0 && low - pad < 0 ? 0 : low - pad, high + pad];
  }

  // A figure; call update(points) with [[x, y], ...] as often as wanted.
  function create(title, xName) {
    const figure = document.createElement("figure");
    figure.className = "chart";
    const caption = document.createElement("figcaption");
    const name = document.createElement("span");
    name.textContent = title;
    const now = document.createElement("span");
    now.className = "now";
    caption.append(name, now);
    const svg = node("svg", {viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img"});
    figure.append(caption, svg);
    let points = [], strong = [], px = null, py = null;
    const cursor = node("g", {visibility: "hidden"});
    cursor.append(node("line", {class: "cursor", y1: TOP, y2: HEIGHT - BOTTOM}), node("circle", {class: "dot", r: 4}));

    function last() { now.textContent = strong.length ? short(strong[strong.length - 1][1]) : ""; }

    function update(next) {
      points = next;
      svg.replaceChildren();
      if (!points.length) return last();
      strong = smoothed(points);
      const x0 = points[0][0], x1 = Math.max(points[points.length - 1][0], x0 + 1);
      const [y0, y1] = range(points);
      px = x => LEFT + (x - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT);
      py = y => TOP + Math.min(1, Math.max(-0.02, (y1 - y) / (y1 - y0))) * (HEIGHT - TOP - BOTTOM);
      for (const y of ticks(y0, y1, 4)) {
        svg.append(node("line", {class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: py(y), y2: py(y)}),
                   node("text", {x: LEFT - 6, y: py(y) + 4, "text-anchor": "end"}, short(y)));
      }
      for (const x of ticks(x0, x1, 4)) {
        if (px(x) < LEFT + 8) continue;
        const anchor = px(x) > WIDTH - 24 ? "end" : "middle";
        svg.append(node("text", {x: anchor === "end" ? WIDTH - RIGHT : px(x), y: HEIGHT - 6, "text-anchor": anchor}, short(x)));
      }
      svg.append(node("text", {x: LEFT, y: HEIGHT - 6}, xName));
      svg.append(node("path", {class: "raw", d: path(points, px, py)}), node("path", {class: "smooth", d: path(strong, px, py)}),
                 cursor);
      svg.setAttribute("aria-label", `${title}: from ${short(strong[0][1])} to ${short(strong[strong.length - 1][1])} in ` +
                       `${short(x1)} ${xName}s`);
      last();
    }

    function read(event) {
      if (!points.length) return;
      const box = svg.getBoundingClientRect();
      const at = (event.clientX - box.left) / box.width * WIDTH;
      let best = 0;
      for (let i = 1; i < points.length; ++i) {
        if (Math.abs(px(points[i][0]) - at) < Math.abs(px(points[best][0]) - at)) best = i;
      }
      const [x, y] = strong[best];
      const [line, dot] = cursor.children;
      line.setAttribute("x1", px(x));
      line.setAttribute("x2", px(x));
      dot.setAttribute("cx", px(x));
      dot.setAttribute("cy", py(y));
      cursor.setAttribute("visibility", "visible");
      now.textContent = `${short(y)} at ${xName} ${short(x)}`;
    }
    svg.addEventListener("pointermove", read);
    svg.addEventListener("pointerdown", read);
    svg.addEventListener("pointerleave", () => { cursor.setAttribute("visibility", "hidden"); last(); });
    return {figure, update};
  }

  return {create, short};
})();
