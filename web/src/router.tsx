// The page's own small router: paths, not hashes; a link is a real link (it opens in a new tab with the usual keys).
import {useSyncExternalStore, type AnchorHTMLAttributes, type MouseEvent} from "react";

const watchers = new Set<() => void>();
const changed = () => watchers.forEach(f => f());
if (typeof window !== "undefined") window.addEventListener("popstate", changed);

type Guard = (path: string) => boolean; // false: stay
let guard: Guard | null = null;
// Asked before a link or navigate() leaves; a view sets it while it holds unsaved work. → takes it away.
export function guardLeaving(f: Guard): () => void {
  guard = f;
  return () => {
    if (guard === f) guard = null;
  };
}

export function navigate(path: string, options: {replace?: boolean} = {}): void {
  if (path === window.location.pathname + window.location.search) return;
  if (guard && !guard(path)) return;
  if (options.replace) window.history.replaceState(null, "", path);
  else window.history.pushState(null, "", path);
  changed();
}

function watch(f: () => void): () => void {
  watchers.add(f);
  return () => watchers.delete(f);
}
export function usePath(): string {
  return useSyncExternalStore(watch, () => window.location.pathname);
}
export function useSearch(): URLSearchParams {
  return new URLSearchParams(useSyncExternalStore(watch, () => window.location.search));
}

// match("/c/:id", "/c/7") → {id: "7"}; a pattern that ends in "/*" also matches what is below; null: no match.
export function match(pattern: string, path: string): Record<string, string> | null {
  const want = pattern.split("/").filter(Boolean);
  const have = path.split("/").filter(Boolean);
  const open = want[want.length - 1] === "*";
  if (open) want.pop();
  if (open ? have.length < want.length : have.length !== want.length) return null;
  const out: Record<string, string> = {};
  for (let i = 0; i < want.length; ++i) {
    const name = want[i]!, part = have[i]!;
    if (name.startsWith(":")) {
      try {
        out[name.slice(1)] = decodeURIComponent(part);
      } catch {
        return null;
      }
    } else if (name !== part) {
      return null;
    }
  }
  return out;
}

export interface LinkProps extends AnchorHTMLAttributes<HTMLAnchorElement> {
  to: string;
}
export function Link({to, onClick, ...rest}: LinkProps) {
  const click = (event: MouseEvent<HTMLAnchorElement>) => {
    onClick?.(event);
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    navigate(to);
  };
  return <a href={to} onClick={click} {...rest} />;
}
