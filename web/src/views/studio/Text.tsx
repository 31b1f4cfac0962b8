export function Markdown({text}: {text: string}) {
  return <div className="st-plain">{text}</div>;
}
