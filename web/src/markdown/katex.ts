// KaTeX with its style sheet: a file of its own, loaded with the first formula.
import katex from "katex";
import "katex/dist/katex.min.css";

export default katex;
