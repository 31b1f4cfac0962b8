// Markdown to tokens: marked's lexer with what a model's reply needs and without what it must not do. HTML is no markup here, it
// stays text. What is hostile in size (nesting, tables thousands of columns wide) is shown as text, so that no reply can hang.
import {Lexer, Marked, Tokenizer, type Token, type Tokens, type TokenizerAndRendererExtension} from "marked";

export interface MathToken {
  type: "math";
  raw: string;
  text: string;
  display: boolean;
  open?: boolean; // its end has not come yet
}
export type MdToken = Token | MathToken;
export type {Tokens};

const MOST_COLUMNS = 100;
const MOST_QUOTES = 8;
const MOST_LISTS = 14;
const LONGEST_INLINE = 60_000; // a paragraph longer than this is shown without inline markup
const INLINE_MARKS = /[*_`[\]$\\~<&!]/g;
const MOST_MARKS = 6000;

const textOf = (raw: string): Tokens.Paragraph => ({type: "paragraph", raw, text: raw, tokens: [{type: "text", raw, text: raw, escaped: false}]});
const tooMuch = (text: string) => text.length > LONGEST_INLINE || (text.match(INLINE_MARKS)?.length ?? 0) > MOST_MARKS;

class SafeTokenizer extends Tokenizer {
  private quotes = 0;
  private lists = 0;

  override html(): undefined {}
  override tag(src: string): Tokens.Tag | undefined {
    const found = /^<br\s*\/?>/i.exec(src);
    if (found) return {type: "br", raw: found[0]} as unknown as Tokens.Tag;
    return undefined;
  }
  override table(src: string): Tokens.Table | undefined {
    const end = src.indexOf("\n");
    if (end < 0) return undefined;
    let pipes = 0;
    for (let i = 0; i < end && pipes <= MOST_COLUMNS; ++i) if (src.charCodeAt(i) === 124) ++pipes;
    if (pipes <= MOST_COLUMNS) return super.table(src);
    const second = src.slice(end + 1).split("\n", 1)[0]!;
    if (!/^[\s|:-]+$/.test(second)) return undefined;
    const raw = /^(?:.*\|.*(?:\n|$))+/.exec(src)?.[0];
    if (!raw) return undefined;
    return {type: "code", raw, lang: "", text: raw.replace(/\n$/, "")} as unknown as Tokens.Table;
  }
  override blockquote(src: string): Tokens.Blockquote | undefined {
    if (this.quotes >= MOST_QUOTES) return src.trimStart().startsWith(">") ? (textOf(src) as unknown as Tokens.Blockquote) : undefined;
    ++this.quotes;
    try {
      return super.blockquote(src);
    } finally {
      --this.quotes;
    }
  }
  override list(src: string): Tokens.List | undefined {
    if (this.lists >= MOST_LISTS) return /^\s*(?:[-*+]|\d{1,9}[.)])(?:\s|$)/.test(src) ? (textOf(src) as unknown as Tokens.List) : undefined;
    ++this.lists;
    try {
      return super.list(src);
    } finally {
      --this.lists;
    }
  }
  override paragraph(src: string): Tokens.Paragraph | undefined {
    const found = this.rules.block.paragraph.exec(src);
    if (found && tooMuch(found[1]!)) return textOf(found[0]);
    return super.paragraph(src);
  }
  override text(src: string): Tokens.Text | undefined {
    const found = this.rules.block.text.exec(src);
    if (found && tooMuch(found[0])) return textOf(found[0]) as unknown as Tokens.Text;
    return super.text(src);
  }
}

const mathBlock: TokenizerAndRendererExtension = {
  name: "math",
  level: "block",
  start: (src: string) => {
    const at = src.search(/(?:^|\n) {0,3}(?:\$\$|\\\[)/);
    return at < 0 ? undefined : at;
  },
  tokenizer(src: string): MathToken | undefined {
    const open = /^ {0,3}(\$\$|\\\[)/.exec(src);
    if (!open) return undefined;
    const close = open[1] === "$$" ? "$$" : "\\]";
    const begin = open[0].length;
    const end = src.indexOf(close, begin);
    const alone = /^[ \t]*\n/.test(src.slice(begin, begin + 200));
    if (end < 0) return alone ? {type: "math", raw: src, text: src.slice(begin), display: true, open: true} : undefined;
    const text = src.slice(begin, end);
    if (!alone && /\n\s*\n/.test(text)) return undefined;
    const rest = /^[ \t]*(?:\n+|$)/.exec(src.slice(end + 2));
    if (!rest || !text.trim()) return undefined;
    return {type: "math", raw: src.slice(0, end + 2) + rest[0], text, display: true};
  },
};

const mathInline: TokenizerAndRendererExtension = {
  name: "mathInline",
  level: "inline",
  start: (src: string) => {
    const dollar = src.indexOf("$"), paren = src.indexOf("\\(");
    const at = dollar < 0 ? paren : paren < 0 ? dollar : Math.min(dollar, paren);
    return at < 0 ? undefined : at;
  },
  tokenizer(src: string): MathToken | undefined {
    // As Pandoc has it: no space inside the dollars, no digit after them, so that "$5 and $6" is money.
    const found = /^\$\$([^$]{1,4000}?)\$\$/.exec(src) ?? /^\$((?:[^\s$\\]|\\[^\n])(?:(?:[^$\n\\]|\\[^\n]){0,1500}?(?:[^\s$\\]|\\[^\n]))?)\$(?![\d$])/.exec(src) ??
      /^\\\(((?:[^\\\n]|\\(?!\))[^\n]?){1,2000}?)\\\)/.exec(src) ?? /^\\\[([^\n]{1,2000}?)\\\]/.exec(src);
    if (!found) return undefined;
    return {type: "math", raw: found[0], text: found[1]!, display: src.startsWith("$$") || src.startsWith("\\[")};
  },
};

const marked = new Marked({gfm: true, breaks: false, extensions: [mathBlock, mathInline]});
marked.use({extensions: [mathBlock, mathInline]});

export type Links = Lexer["tokens"]["links"];

// The top-level blocks of `text`. `links`: what [name]: address lines said so far; those found are added.
export function lex(text: string, links: Links): MdToken[] {
  const lexer = new Lexer({...marked.defaults, tokenizer: new SafeTokenizer()});
  Object.assign(lexer.tokens.links, links);
  try {
    const tokens = lexer.lex(text);
    Object.assign(links, tokens.links);
    return [...tokens];
  } catch {
    return [textOf(text)]; // it was too deep for the stack
  }
}

const NAMED: Record<string, string> = {
  amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0", copy: "©", reg: "®", trade: "™", hellip: "…", mdash: "—", ndash: "–",
  lsquo: "‘", rsquo: "’", ldquo: "“", rdquo: "”", laquo: "«", raquo: "»", bull: "•", middot: "·", times: "×", divide: "÷", plusmn: "±",
  deg: "°", micro: "µ", para: "¶", sect: "§", euro: "€", pound: "£", yen: "¥", cent: "¢", larr: "←", uarr: "↑", rarr: "→", darr: "↓",
  harr: "↔", rArr: "⇒", le: "≤", ge: "≥", ne: "≠", infin: "∞", sum: "∑", minus: "−", radic: "√", asymp: "≈", alpha: "α", beta: "β",
  gamma: "γ", delta: "δ", lambda: "λ", mu: "μ", pi: "π", sigma: "σ", omega: "ω", frac12: "½", frac14: "¼", sup2: "²", sup3: "³",
  colon: ":", Tab: "\t", NewLine: "\n", ensp: "\u2002", emsp: "\u2003", thinsp: "\u2009", check: "✓", hearts: "♥", eacute: "é",
};
// What entities stand for, as text: React sets it as text, never as markup.
export function decodeEntities(text: string): string {
  if (!text.includes("&")) return text;
  return text.replace(/&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|([A-Za-z][A-Za-z0-9]{1,31}));/g, (all, dec?: string, hex?: string, name?: string) => {
    if (name) return Object.hasOwn(NAMED, name) ? NAMED[name]! : all;
    const code = dec ? parseInt(dec, 10) : parseInt(hex!, 16);
    return code === 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff) ? "\ufffd" : String.fromCodePoint(code);
  });
}

// The address of a link that may be followed; null: it is shown as text.
export function safeHref(href: string): string | null {
  const text = decodeEntities(href).trim();
  if (/[\u0000-\u001f\u007f]/.test(text)) return null;
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return null;
  }
  return url.protocol === "http:" || url.protocol === "https:" || url.protocol === "mailto:" ? url.href : null;
}
