// The highlighter (a file of its own, loaded when the first code block is shown): its tree becomes React elements.
import {common, createLowlight} from "lowlight";
import type {ReactNode} from "react";
import {showTurning} from "./CodeBlock";

const lowlight = createLowlight(common);
type Node = ReturnType<typeof lowlight.highlight>["children"][number];

function draw(nodes: readonly Node[]): ReactNode {
  return nodes.map((node, i) => {
    if (node.type === "text") return <span key={i}>{showTurning(node.value)}</span>;
    if (node.type !== "element") return null;
    const names = node.properties["className"];
    return <span key={i} className={Array.isArray(names) ? names.join(" ") : undefined}>{draw(node.children)}</span>;
  });
}

export function highlight(language: string, text: string): ReactNode | null {
  const known = language.toLowerCase();
  return lowlight.registered(known) ? draw(lowlight.highlight(known, text).children) : null;
}
