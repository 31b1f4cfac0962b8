// A formula. KaTeX is loaded with the first one; it builds its elements by DOM calls (styles by CSSOM, which the page's policy
// allows) and trusts nothing: no \href, \includegraphics or \htmlClass. What it cannot read is shown as it was written.
import {memo, useEffect, useLayoutEffect, useRef, useState} from "react";

type Katex = (typeof import("./katex"))["default"];
let loaded: Katex | null = null;
let loading: Promise<Katex> | null = null;

export const Formula = memo(function Formula({text, display}: {text: string; display: boolean}) {
  const [katex, setKatex] = useState<Katex | null>(() => loaded);
  const [failed, setFailed] = useState(false);
  const host = useRef<HTMLSpanElement>(null);
  useEffect(() => {
    if (katex) return;
    let live = true;
    loading ??= import("./katex").then(module => module.default);
    loading.then(module => {
      loaded = module;
      if (live) setKatex(() => module);
    }, () => { loading = null; });
    return () => { live = false; };
  }, [katex]);
  useLayoutEffect(() => {
    if (!katex || !host.current) return;
    try {
      katex.render(text, host.current, {displayMode: display, throwOnError: true, trust: false, strict: "ignore", maxSize: 20, maxExpand: 300, output: "htmlAndMathml"});
      setFailed(false);
    } catch {
      host.current.replaceChildren();
      setFailed(true);
    }
  }, [katex, text, display]);
  return (
    <span className={display ? "formula display" : "formula"}>
      {(!katex || failed) && <code>{text}</code>}
      <span ref={host} />
    </span>
  );
});
