// Short messages that come and go; screen readers hear them. toast(text) from anywhere.
import {useEffect, useState} from "react";
import {common} from "../i18n/common";
import {useText} from "../i18n";
import {IconButton} from "./Button";

interface Note {
  id: number;
  text: string;
  bad: boolean;
  action?: {label: string; run: () => void};
}
let notes: Note[] = [];
let nextId = 1;
const watchers = new Set<(notes: Note[]) => void>();
function put(next: Note[]): void {
  notes = next;
  watchers.forEach(f => f(notes));
}

export function toast(text: string, options: {bad?: boolean; action?: Note["action"]} = {}): void {
  const id = nextId++;
  put([...notes.filter(note => note.text !== text).slice(-3), {id, text, bad: options.bad ?? false, action: options.action}]);
  setTimeout(() => put(notes.filter(note => note.id !== id)), options.bad || options.action ? 9000 : 4500);
}
export function toastError(error: unknown): void {
  toast(error instanceof Error ? error.message : String(error), {bad: true});
}

export function Toasts() {
  const t = useText(common);
  const [shown, setShown] = useState(notes);
  useEffect(() => {
    watchers.add(setShown);
    return () => void watchers.delete(setShown);
  }, []);
  return (
    <div className="toasts" role="status" aria-live="polite">
      {shown.map(note => (
        <div key={note.id} className={`toast ${note.bad ? "bad" : ""}`}>
          <span>{note.text}</span>
          {note.action && <button type="button" className="link-button" onClick={() => { put(notes.filter(n => n.id !== note.id)); note.action?.run(); }}>{note.action.label}</button>}
          <IconButton icon="close" size={16} label={t.close} onClick={() => put(notes.filter(n => n.id !== note.id))} />
        </div>
      ))}
    </div>
  );
}
