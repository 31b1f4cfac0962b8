// Text files that go with a message: read here, refused where they are no text or too large.
import type {Attached} from "./store";

export const MOST_FILES = 10;
export const LARGEST = 512 * 1024;

export type Refusal = {why: "not_text" | "too_big" | "too_many"; name: string};
export async function readFiles(files: readonly File[], have: number): Promise<{files: Attached[]; refused: Refusal[]}> {
  const out: Attached[] = [];
  const refused: Refusal[] = [];
  for (const file of files) {
    if (have + out.length >= MOST_FILES) {
      refused.push({why: "too_many", name: file.name});
      break;
    }
    if (file.size > LARGEST) {
      refused.push({why: "too_big", name: file.name});
      continue;
    }
    try {
      const text = new TextDecoder("utf-8", {fatal: true}).decode(await file.arrayBuffer());
      if (text.includes("\0")) throw new Error();
      out.push({name: file.name.slice(0, 200), text});
    } catch {
      refused.push({why: "not_text", name: file.name});
    }
  }
  return {files: out, refused};
}
