// A reply that grows, as blocks: those that are complete are settled and never parsed again; only the last is, with each piece.
// Settled blocks stand in groups of a fixed size, so that a view compares few things per frame however long the reply is.
import {lex, type Links, type MdToken, type Tokens} from "./parse";

export const GROUP = 40;

export interface Blocks {
  groups: readonly (readonly MdToken[])[]; // full groups keep their identity
  tail: readonly MdToken[]; // settled blocks of the group that fills, and the last block
}

export class BlockSplitter {
  private groups: MdToken[][] = [];
  private settled: MdToken[] = [];
  private links: Links = {};
  private rest = ""; // the last block's text
  private last: MdToken[] = [];
  private length = 0;
  private hadDefinitions = false;

  // Takes the whole text so far; it is parsed anew from the start only where it is not what came before and more.
  update(text: string, done: boolean, known: string): Blocks {
    if (text.length < this.length || !text.startsWith(known)) this.reset();
    if (text.length > this.length) {
      // A CR at the end may be half of a CRLF: it waits.
      const end = text.endsWith("\r") && !done ? text.length - 1 : text.length;
      this.append(text.slice(this.length, end).replace(/\r\n?/g, "\n"));
      this.length = end;
    }
    if (done && this.hadDefinitions) {
      // An address that is named at the end belongs to links before it too.
      const links = this.links;
      this.reset();
      this.links = links;
      this.append(text.replace(/\r\n?/g, "\n"));
      this.length = text.length;
      this.hadDefinitions = false;
    }
    return {groups: this.groups, tail: [...this.settled, ...this.last]};
  }

  private reset(): void {
    this.groups = [];
    this.settled = [];
    this.links = {};
    this.rest = "";
    this.last = [];
    this.length = 0;
  }

  private append(more: string): void {
    if (this.appendToOpenFence(more)) return;
    this.rest += more;
    const tokens = lex(this.rest, this.links);
    // The last block may go on; and one whose first line is not whole may turn out to belong to the one before.
    let keep = tokens.length - 1;
    while (keep > 0 && tokens[keep]!.type === "space") --keep;
    if (keep > 0 && !tokens[keep]!.raw.includes("\n")) {
      --keep;
      while (keep > 0 && tokens[keep]!.type === "space") --keep;
    }
    const begin = keep > 0 ? beginOf(tokens, keep, this.rest) : 0;
    if (begin < 0) keep = 0;
    for (const token of tokens.slice(0, keep)) this.settle(token);
    this.last = tokens.slice(keep);
    this.rest = this.rest.slice(Math.max(0, begin));
    if (this.last.some(token => token.type === "def")) this.hadDefinitions = true;
  }

  // In a long code block, text that cannot end it is only added.
  private appendToOpenFence(more: string): boolean {
    const only = this.last.length === 1 ? this.last[0]! : null;
    if (only?.type !== "code" || this.rest.length < 4000) return false;
    const fence = /^ {0,3}(`{3,}|~{3,})/.exec(this.rest);
    if (!fence || this.rest.endsWith("\n") || /[`~\r\t]/.test(this.rest.slice(this.rest.lastIndexOf("\n")) + more)) return false;
    if (isClosedFence(only as Tokens.Code)) return false;
    if (/^ /.test(this.rest)) return false; // an indented fence takes indentation off each line
    this.rest += more;
    const text = this.rest.slice(this.rest.indexOf("\n") + 1).replace(/\n$/, "");
    this.last = [{...(only as Tokens.Code), raw: this.rest, text}];
    return true;
  }

  private settle(token: MdToken): void {
    if (token.type === "def") this.hadDefinitions = true;
    this.settled.push(token);
    if (this.settled.length >= GROUP) {
      this.groups = [...this.groups, this.settled];
      this.settled = [];
    }
  }
}

// Where in the text the token at `index` begins; -1: not to be found. (A token's raw text may lack blanks at its end.)
function beginOf(tokens: readonly MdToken[], index: number, text: string): number {
  let at = 0;
  for (let i = 0; i < index; ++i) {
    const found = text.indexOf(tokens[i]!.raw, at);
    if (found < 0) return -1;
    at = found + tokens[i]!.raw.length;
  }
  return text.indexOf(tokens[index]!.raw, at);
}

// Whether a code block's end has come.
export function isClosedFence(token: Tokens.Code): boolean {
  const open = /^ {0,3}(`{3,}|~{3,})/.exec(token.raw);
  if (!open) return true; // indented code
  const last = token.raw.trimEnd().split("\n").pop()!.trim();
  return token.raw.trimEnd().includes("\n") && last.startsWith(open[1]!) && /^[`~]+$/.test(last);
}
