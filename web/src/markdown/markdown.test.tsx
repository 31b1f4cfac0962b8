import {renderToStaticMarkup} from "react-dom/server";
import {describe, expect, it} from "vitest";
import {BlockSplitter, isClosedFence} from "./blocks";
import {Markdown} from "./Markdown";
import {decodeEntities, lex, safeHref, type MdToken} from "./parse";

const html = (text: string) => renderToStaticMarkup(<Markdown text={text} />);
const raws = (tokens: readonly MdToken[]) => tokens.filter(t => t.type !== "space").map(t => `${t.type}:${t.raw.trimEnd()}`);

function splitIn(text: string, pieces: number[]): string[] {
  const splitter = new BlockSplitter();
  let known = "", at = 0, blocks = splitter.update("", false, "");
  for (const size of pieces) {
    at = Math.min(text.length, at + size);
    blocks = splitter.update(text.slice(0, at), false, known);
    known = text.slice(0, at);
  }
  blocks = splitter.update(text, true, known);
  return raws([...blocks.groups.flat(), ...blocks.tail]);
}

const samples = {
  paragraphs: "One *two* three\nfour\n\nFive **six**\n\n\nSeven",
  setext: "Title\n=====\n\nText\n---\nmore\n",
  lists: "- a\n- b\n\n  more of b\n- c\n\n1. x\n2. y\n   - z\n\nafter",
  fences: "before\n```js\nlet a = 1;\n\n# not a heading\n```\nafter\n\n~~~\nx\n```\n~~~\nend",
  table: "| a | b |\n| - | -: |\n| 1 | 2 |\n| 3 | 4 |\n\nafter",
  quote: "> a\n> b\n\n> c\nlazy\n\nend",
  hash: "text\n#nothead\n\n# head\ntext",
  math: "a\n\n$$\nx = 1\n\ny = 2\n$$\n\nb $x^2$ c\n\n\\[\nz\n\\]\n",
  html: "<div>\n\n**b**\n\n</div>\n\n<!-- c\n\nd -->\nx",
  windows: "a\r\n\r\n- b\r\n- c\r\n\r\n```\r\nd\r\n```\r\n",
  rules: "a\n\n***\n\n- - -\nb",
};

describe("the block splitter", () => {
  for (const [name, text] of Object.entries(samples)) {
    it(`finds the same blocks in pieces as in the whole: ${name}`, () => {
      const whole = raws(lex(text, {}));
      for (let size = 1; size <= 7; ++size) expect(splitIn(text, Array(Math.ceil(text.length / size)).fill(size)), `pieces of ${size}`).toEqual(whole);
      for (let at = 1; at < text.length; ++at) expect(splitIn(text, [at, text.length]), `cut at ${at}`).toEqual(whole);
    });
  }
  it("settles what is complete and keeps its identity", () => {
    const splitter = new BlockSplitter();
    const text = Array.from({length: 100}, (_, i) => `Paragraph ${i}`).join("\n\n");
    const before = splitter.update(text, false, "");
    const after = splitter.update(`${text}\n\nmore`, false, text);
    expect(before.groups.length).toBeGreaterThan(1);
    expect(after.groups[0]).toBe(before.groups[0]);
    expect(after.tail[0]).toBe(before.tail[0]);
  });
  it("starts anew where the text is another", () => {
    const splitter = new BlockSplitter();
    splitter.update("one\n\ntwo", false, "");
    expect(raws(splitter.update("three", true, "one\n\ntwo").tail)).toEqual(["paragraph:three"]);
  });
  it("only adds to a long code block", () => {
    const code = "```txt\n" + Array.from({length: 3000}, (_, i) => `line ${i}`).join("\n");
    const splitter = new BlockSplitter();
    splitter.update(code, false, "");
    let known = code;
    for (const more of [" and", " more", "\n", "x\n`", "``\n", "after"]) {
      splitter.update(known + more, false, known);
      known += more;
    }
    const blocks = splitter.update(known, true, known);
    expect(raws([...blocks.groups.flat(), ...blocks.tail])).toEqual(raws(lex(known, {})));
  });
  it("takes an address that is named later", () => {
    expect(html("See [docs][d].\n\nMore.\n\n[d]: https://example.org/d")).toContain('href="https://example.org/d"');
  });
});

describe("a code block's end", () => {
  it("is a fence at least as long", () => {
    const of = (raw: string) => isClosedFence({type: "code", raw, text: ""});
    expect([of("```\na\n```"), of("```\na"), of("````\na\n```"), of("```\na\n`````"), of("    a")]).toEqual([true, false, false, true, true]);
  });
});

describe("rendering", () => {
  it("shows HTML as text", () => {
    expect(html("<script>alert(1)</script>\n\na <b onclick=x>b</b>")).not.toMatch(/<script|<b /);
  });
  it("breaks a line at <br> only", () => {
    expect(html("a<br>b")).toContain("<br/>");
  });
  it("lets links lead to http, https and mail alone, marked as leading elsewhere", () => {
    expect(html("[a](https://example.org)")).toMatch(/href="https:\/\/example.org\/" target="_blank" rel="noopener noreferrer nofollow"/);
    expect(html("<a@b.example>")).toContain('href="mailto:a@b.example"');
    for (const bad of ["javascript:alert(1)", "data:text/html,x", "vbscript:x", "/relative", "//host", "file:///etc/passwd", "blob:x", "JaVaScRiPt:x"]) expect(html(`[a](${bad})`), bad).not.toContain("href");
  });
  it("never loads an image", () => {
    expect(html("![cat](https://example.org/cat.png)")).toMatch(/<a href="https:\/\/example.org\/cat.png"/);
    expect(html("![cat](https://example.org/cat.png)")).not.toContain("<img");
  });
  it("decodes entities as text", () => {
    expect(decodeEntities("&lt;b&gt; &#x41;&#66; &nope; &#0; &copy;")).toBe("<b> AB &nope; \ufffd ©");
    expect(html("&lt;script&gt;")).toContain("&lt;script&gt;");
  });
  it("tells money from mathematics", () => {
    expect(html("from $5 to $6")).not.toContain("formula");
    expect(html("it is $x^2$ now")).toContain("formula");
    expect(html("\\(a+b\\) and $$c$$")).toMatch(/formula.*formula display/);
  });
  it("draws a task list, a table's alignment and a list's start", () => {
    expect(html("- [x] done\n- [ ] open")).toMatch(/☑.*☐/);
    expect(html("| a |\n| -: |\n| 1 |")).toContain('class="align-right"');
    expect(html("3. a\n4. b")).toContain('start="3"');
  });
  it("shows characters that turn code around", () => {
    expect(html("```\na\u202eb\n```")).toContain("U+202E");
  });
});

describe("addresses", () => {
  it("are refused with what a URL parser would strip", () => {
    for (const bad of ["java\nscript:alert(1)", "\u0001javascript:alert(1)", "java&Tab;script:alert(1)", "javascript&colon;alert(1)", "&#106;avascript:alert(1)"]) expect(safeHref(bad), bad).toBeNull();
    expect(safeHref("https://example.org/?a=1&amp;b=2")).toBe("https://example.org/?a=1&b=2");
  });
});

describe("hostile sizes", () => {
  const quick = (name: string, text: string) => it(`end: ${name}`, () => {
    expect(html(text).length).toBeGreaterThan(10);
  }, 5000);
  quick("a table of 10,000 columns", `|${" a |".repeat(10_000)}\n|${" - |".repeat(10_000)}\n${`|${" 1 |".repeat(10_000)}\n`.repeat(20)}`);
  quick("quotes in quotes", `${">".repeat(5000)} a\nlazy`);
  quick("lists in lists", `${"- ".repeat(5000)}a`);
  quick("brackets", "[".repeat(20_000));
  quick("open links", "[a](".repeat(10_000));
  quick("stars", "*a **b ".repeat(5000));
  quick("many stars", "*".repeat(50_000) + "a");
  quick("underscores", "_a".repeat(30_000));
  quick("backquotes", "`a``b```c".repeat(3000));
  quick("dollars", "$a ".repeat(20_000));
  quick("a long line", "word ".repeat(100_000));
  quick("angle brackets", "<a ".repeat(20_000));
  quick("entities", "&#x41;".repeat(20_000));
  quick("images", "![".repeat(20_000));
  quick("tildes", "~~a ".repeat(10_000));
});
