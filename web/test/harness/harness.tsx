// The real renderer alone on a page, for the corpus: a reply is drawn whole, and cut at every place, and each time what stands
// in the document is looked over.
import {flushSync} from "react-dom";
import {createRoot} from "react-dom/client";
import {Markdown} from "../../src/markdown/Markdown";

declare global {
  interface Window {
    drawWhole: (text: string) => string[];
    drawCut: (text: string, most: number) => string[];
    ready: Promise<void>;
  }
}
const HTML = new Set(["div", "p", "h3", "h4", "h5", "h6", "span", "code", "pre", "blockquote", "hr", "ol", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "strong", "em", "del", "br", "a", "bdi", "button", "svg", "path", "circle", "rect", "g"]);
const MATH = new Set(["math", "semantics", "annotation", "mrow", "mi", "mn", "mo", "ms", "mtext", "mspace", "msup", "msub", "msubsup", "mfrac", "msqrt", "mroot", "mover", "munder", "munderover", "mtable", "mtr", "mtd", "mpadded", "mphantom", "mstyle", "menclose", "line"]);
const ATTRIBUTES = new Set(["class", "dir", "href", "target", "rel", "referrerpolicy", "title", "role", "aria-label", "aria-hidden", "tabindex", "type", "start", "scope", "focusable", "viewBox", "width", "height", "fill", "stroke", "stroke-width", "stroke-linecap", "stroke-linejoin", "d", "x", "y", "rx", "cx", "cy", "r"]);

function wrongs(root: Element): string[] {
  const out: string[] = [];
  for (const element of root.querySelectorAll("*")) {
    const name = element.localName;
    const inFormula = element.closest(".formula") !== null;
    if (!HTML.has(name) && !(inFormula && MATH.has(name))) out.push(`<${name}>`);
    for (const {name: key, value} of element.attributes) {
      if (key.startsWith("on")) out.push(`${name} ${key}`);
      if (!ATTRIBUTES.has(key) && !inFormula) out.push(`${name} ${key}=${value}`);
      if (/^(?:src|srcset|action|formaction|data|poster|srcdoc|xlink:href|background|ping)$/.test(key)) out.push(`${name} ${key}=${value}`);
      if (key === "href" && !/^(?:https?:\/\/|mailto:)/.test(value)) out.push(`${name} href=${value}`);
      if (key === "href" && name === "a" && !/noopener/.test(element.getAttribute("rel") ?? "")) out.push("a without rel");
      if (key === "style" && /url|expression|import/i.test(value)) out.push(`style=${value}`);
    }
  }
  return out;
}

const root = createRoot(document.getElementById("root")!);
let key = 0;
function draw(text: string, writing: boolean, fresh: boolean): string[] {
  if (fresh) ++key;
  flushSync(() => root.render(<Markdown key={key} text={text} writing={writing} />));
  return wrongs(document.getElementById("root")!);
}
window.drawWhole = text => draw(text, false, true);
// Two pieces, for every place of the cut (of a long text: for `most` places); then all of them, a piece per character.
window.drawCut = (text, most) => {
  const out: string[] = [];
  const step = Math.max(1, Math.ceil(text.length / most));
  for (let at = 1; at < text.length; at += step) out.push(...draw(text.slice(0, at), true, true), ...draw(text, false, false));
  for (let at = 0, fresh = true; at <= text.length; at += step, fresh = false) out.push(...draw(text.slice(0, at), true, fresh));
  out.push(...draw(text, false, false));
  return out;
};
// KaTeX and the highlighter come with the first formula and code.
window.ready = (async () => {
  draw("$x$\n\n```js\nlet a\n```", false, true);
  for (let i = 0; i < 200 && !(document.querySelector(".katex") && document.querySelector(".hljs-keyword")); ++i) await new Promise(resolve => setTimeout(resolve, 50));
  if (!document.querySelector(".katex") || !document.querySelector(".hljs-keyword")) throw new Error("KaTeX or the highlighter did not load");
})();
