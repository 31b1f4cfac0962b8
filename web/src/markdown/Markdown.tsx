// A model's markdown on the page: every piece becomes a React element or text; there is no innerHTML. Links lead to http, https
// and mail only, and are marked; images are never loaded but shown as links.
import {memo, useRef, type ReactNode} from "react";
import {common} from "../i18n/common";
import {useText} from "../i18n";
import {Icon} from "../ui/icons";
import {BlockSplitter, isClosedFence} from "./blocks";
import {CodeBlock} from "./CodeBlock";
import {Formula} from "./Formula";
import {decodeEntities, safeHref, type MathToken, type MdToken, type Tokens} from "./parse";
import "./markdown.css";

const DEEPEST = 40;
const MOST_ROWS = 1000;

export interface MarkdownProps {
  text: string;
  writing?: boolean; // more is to come
}
export const Markdown = memo(function Markdown({text, writing = false}: MarkdownProps) {
  const splitter = useRef<BlockSplitter>(null);
  const known = useRef("");
  splitter.current ??= new BlockSplitter();
  const {groups, tail} = splitter.current.update(text, !writing, known.current);
  known.current = text;
  return (
    <div className="md">
      {groups.map((group, i) => <Group key={i} tokens={group} />)}
      {tail.map((token, i) => <Block key={`t${groups.length}-${i}`} token={token} />)}
    </div>
  );
});

const Group = memo(function Group({tokens}: {tokens: readonly MdToken[]}) {
  return <>{tokens.map((token, i) => <Block key={i} token={token} />)}</>;
});

// Lexing the last block again makes new tokens; where the text is the same, nothing is drawn again.
const Block = memo(function Block({token}: {token: MdToken}) {
  return block(token, 0);
}, (a, b) => a.token === b.token || (a.token.type === b.token.type && a.token.raw === b.token.raw && b.token.type !== "paragraph" && a.token.type !== "list"));

const ListItem = memo(function ListItem({item, depth}: {item: Tokens.ListItem; depth: number}) {
  return (
    <li className={item.task ? "task" : undefined}>
      {item.task && <span role="img" aria-label={item.checked ? "☑" : "☐"}>{item.checked ? "☑" : "☐"} </span>}
      {blocks(item.tokens, depth)}
    </li>
  );
}, (a, b) => a.item.raw === b.item.raw && a.item.loose === b.item.loose && a.depth === b.depth);

const Row = memo(function Row({cells, align}: {cells: Tokens.TableCell[]; align: Tokens.Table["align"]}) {
  return <tr>{cells.map((cell, i) => <td key={i} className={align[i] ? `align-${align[i]}` : undefined}>{inline(cell.tokens, 0)}</td>)}</tr>;
}, (a, b) => a.cells.length === b.cells.length && a.cells.every((cell, i) => cell.text === b.cells[i]!.text));

function blocks(tokens: readonly MdToken[] | undefined, depth: number): ReactNode {
  return tokens?.map((token, i) => <BlockAt key={i} token={token} depth={depth} />);
}
function BlockAt({token, depth}: {token: MdToken; depth: number}) {
  return block(token, depth);
}

function block(token: MdToken, depth: number): ReactNode {
  if (depth > DEEPEST) return <p>{token.raw}</p>;
  switch (token.type) {
    case "space": case "def": return null;
    case "heading": {
      // The page's own headings come first: a reply's begin below them.
      const Tag = `h${Math.min(6, (token as Tokens.Heading).depth + 2)}` as "h3" | "h4" | "h5" | "h6";
      return <Tag dir="auto" className={`level-${(token as Tokens.Heading).depth}`}>{inline(token.tokens, depth)}</Tag>;
    }
    case "paragraph": return <p dir="auto">{inline(token.tokens, depth)}</p>;
    case "text": return "tokens" in token && token.tokens ? <span dir="auto">{inline(token.tokens, depth)}</span> : decodeEntities(token.raw);
    case "code": return <CodeBlock text={token.text} language={(token as Tokens.Code).lang ?? ""} closed={isClosedFence(token as Tokens.Code)} />;
    case "blockquote": return <blockquote dir="auto">{blocks(token.tokens, depth + 1)}</blockquote>;
    case "hr": return <hr />;
    case "list": {
      const list = token as Tokens.List;
      const items = list.items.map((item, i) => <ListItem key={i} item={item} depth={depth + 1} />);
      return list.ordered ? <ol dir="auto" start={typeof list.start === "number" ? list.start : undefined}>{items}</ol> : <ul dir="auto">{items}</ul>;
    }
    case "table": return <Table token={token as Tokens.Table} />;
    case "math": return (token as MathToken).open ? <p>{token.raw}</p> : <Formula text={(token as MathToken).text} display />;
    default: return <p dir="auto">{inline([token], depth)}</p>;
  }
}

function Table({token}: {token: Tokens.Table}) {
  const rows = token.rows.slice(0, MOST_ROWS);
  return (
    <div className="table-scroll" tabIndex={0} role="group" aria-label={token.header.map(cell => cell.text).join(", ").slice(0, 100)}>
      <table>
        <thead><tr>{token.header.map((cell, i) => <th key={i} scope="col" className={token.align[i] ? `align-${token.align[i]}` : undefined}>{inline(cell.tokens, 0)}</th>)}</tr></thead>
        <tbody>{rows.map((cells, i) => <Row key={i} cells={cells} align={token.align} />)}</tbody>
      </table>
      {token.rows.length > MOST_ROWS && <p className="muted small">… + {token.rows.length - MOST_ROWS}</p>}
    </div>
  );
}

function inline(tokens: readonly MdToken[] | undefined, depth: number): ReactNode {
  if (!tokens) return null;
  if (depth > DEEPEST) return tokens.map(token => token.raw).join("");
  return tokens.map((token, i) => <Inline key={i} token={token} depth={depth} />);
}

function Inline({token, depth}: {token: MdToken; depth: number}): ReactNode {
  const inside = () => inline((token as Tokens.Generic).tokens, depth + 1);
  switch (token.type) {
    case "text": return "tokens" in token && token.tokens ? inside() : decodeEntities(token.text);
    case "escape": return token.text;
    case "strong": return <strong>{inside()}</strong>;
    case "em": return <em>{inside()}</em>;
    case "del": return <del>{inside()}</del>;
    case "codespan": return <code>{token.text}</code>;
    case "br": return <br />;
    case "link": return <SafeLink href={(token as Tokens.Link).href} title={(token as Tokens.Link).title ?? ""}>{inside()}</SafeLink>;
    case "image": return <SafeLink href={(token as Tokens.Image).href} title={(token as Tokens.Image).title ?? ""} image>{decodeEntities((token as Tokens.Image).text) || (token as Tokens.Image).href}</SafeLink>;
    case "math": return <Formula text={(token as MathToken).text} display={(token as MathToken).display} />;
    default: return token.raw;
  }
}

function SafeLink({href, title, image = false, children}: {href: string; title: string; image?: boolean; children: ReactNode}) {
  const t = useText(common);
  const to = safeHref(href);
  if (!to) return <span className="no-link">{children}</span>;
  return (
    <a href={to} target="_blank" rel="noopener noreferrer nofollow" referrerPolicy="no-referrer" title={decodeEntities(title) || to}>
      {image && <Icon name="file" size={14} />}<bdi>{children}</bdi><Icon name="external" size={13} /><span className="visually-hidden"> ({t.external})</span>
    </a>
  );
}
