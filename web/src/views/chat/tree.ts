// A conversation is a tree of messages; what is shown is the path from its root to the current leaf.
import type {Message} from "../../api/types";

export interface Tree {
  byId: ReadonlyMap<string, Message>;
  children: ReadonlyMap<string | null, readonly string[]>; // in the order in which they were made
}

export function makeTree(messages: readonly Message[]): Tree {
  const byId = new Map<string, Message>();
  const children = new Map<string | null, string[]>();
  for (const message of messages) byId.set(message.id, message);
  for (const message of messages) {
    const parent = message.parent !== null && byId.has(message.parent) ? message.parent : null;
    const list = children.get(parent);
    if (list) list.push(message.id);
    else children.set(parent, [message.id]);
  }
  return {byId, children};
}

export function pathTo(tree: Tree, leaf: string | null): Message[] {
  const out: Message[] = [];
  const seen = new Set<string>();
  for (let id = leaf; id !== null && !seen.has(id);) {
    const message = tree.byId.get(id);
    if (!message) break;
    seen.add(id);
    out.push(message);
    id = message.parent;
  }
  return out.reverse();
}

// The newest leaf below a message (null: of all).
export function newestLeaf(tree: Tree, from: string | null): string | null {
  let id = from;
  for (;;) {
    const below = tree.children.get(id);
    if (!below?.length) return id;
    id = below[below.length - 1]!;
  }
}

export function siblings(tree: Tree, message: Message): readonly string[] {
  const parent = message.parent !== null && tree.byId.has(message.parent) ? message.parent : null;
  return tree.children.get(parent) ?? [message.id];
}
