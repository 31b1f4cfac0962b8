// A code block: its language, a copy button, and colours once the highlighter has been loaded. Long code is drawn in parts that
// the browser lays out only where they are seen. Characters that turn the direction of text around are shown by their names.
import {memo, useEffect, useState, type ReactNode} from "react";
import {common} from "../i18n/common";
import {useText} from "../i18n";
import {Icon} from "../ui/icons";
import {toast} from "../ui/Toast";

type Highlighter = typeof import("./highlight");
let loaded: Highlighter | null = null;
let loading: Promise<Highlighter> | null = null;

const LONGEST = 60_000; // longer code stays plain
const LONGEST_OPEN = 6000; // while it is written it is coloured again with each piece
const PART_LINES = 100;
const TURNING = /[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]/g;

export function showTurning(text: string): ReactNode {
  if (text.search(TURNING) < 0) return text;
  const out: ReactNode[] = [];
  let from = 0;
  for (const found of text.matchAll(TURNING)) {
    out.push(text.slice(from, found.index), <span key={found.index} className="turning">U+{found[0].charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}</span>);
    from = found.index + 1;
  }
  out.push(text.slice(from));
  return out;
}

export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Over plain HTTP from another machine there is no clipboard API.
    const box = document.createElement("textarea");
    box.value = text;
    box.className = "visually-hidden";
    document.body.append(box);
    box.select();
    const ok = document.execCommand("copy");
    box.remove();
    return ok;
  }
}

export function CopyButton({text, label}: {text: () => string; label: string}) {
  const t = useText(common);
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return;
    const id = setTimeout(() => setDone(false), 1500);
    return () => clearTimeout(id);
  }, [done]);
  const copy = async () => {
    if (await copyText(text())) {
      setDone(true);
      toast(t.copied);
    }
  };
  return <button type="button" className="icon-button" aria-label={label} title={label} onClick={() => void copy()}><Icon name={done ? "check" : "copy"} size={17} /></button>;
}

const Part = memo(function Part({text}: {text: string}) {
  return <span className="code-part">{showTurning(text)}</span>;
});

function Plain({text}: {text: string}) {
  if (text.length < 4000) return showTurning(text);
  const lines = text.split("\n");
  const parts: ReactNode[] = [];
  for (let i = 0; i < lines.length; i += PART_LINES) parts.push(<Part key={i} text={lines.slice(i, i + PART_LINES).join("\n")} />);
  return parts;
}

export interface CodeBlockProps {
  text: string;
  language: string; // a fence's info string, as the model wrote it
  closed: boolean;
}
export const CodeBlock = memo(function CodeBlock({text, language, closed}: CodeBlockProps) {
  const t = useText(common);
  const [highlighter, setHighlighter] = useState(loaded);
  const name = /^[\w+#.-]{1,30}/.exec(language.trim())?.[0] ?? "";
  const wanted = name !== "" && text.length <= (closed ? LONGEST : LONGEST_OPEN);
  useEffect(() => {
    if (!wanted || highlighter) return;
    let live = true;
    loading ??= import("./highlight");
    loading.then(module => {
      loaded = module;
      if (live) setHighlighter(module);
    }, () => { loading = null; });
    return () => { live = false; };
  }, [wanted, highlighter]);
  const coloured = wanted && highlighter?.highlight(name, text);
  return (
    <div className="code-block">
      <div className="code-head"><span>{name || "text"}</span><CopyButton text={() => text} label={t.copy} /></div>
      <pre tabIndex={0} dir="ltr"><code>{coloured || <Plain text={text} />}</code></pre>
    </div>
  );
});
