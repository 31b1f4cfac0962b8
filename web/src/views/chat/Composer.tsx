// Where a message is written. Enter sends, Shift+Enter breaks the line; Enter that ends a word of an input method never sends.
import {useEffect, useImperativeHandle, useLayoutEffect, useRef, useState, type ClipboardEvent, type KeyboardEvent, type Ref} from "react";
import {fill, useText} from "../../i18n";
import {chat} from "../../i18n/chat";
import {Icon, IconButton, toast} from "../../ui";
import {LARGEST, MOST_FILES, readFiles} from "./attach";
import {loadDraft, saveDraft, type Draft} from "./store";

export interface ComposerHandle {
  focus: () => void;
  addFiles: (files: readonly File[]) => void;
}
export interface ComposerProps {
  draftId: string;
  writing: boolean;
  disabled?: boolean;
  onSend: (draft: Draft) => boolean | Promise<boolean>; // false: it stays in the box
  onStop: () => void;
  ref?: Ref<ComposerHandle>;
}

// Whether this Enter is a person's wish to send, not the end of a word being composed.
export function isSendKey(event: {key: string; shiftKey: boolean; keyCode: number; nativeEvent: {isComposing?: boolean}}): boolean {
  return event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing && event.keyCode !== 229;
}

export function Composer({draftId, writing, disabled = false, onSend, onStop, ref}: ComposerProps) {
  const t = useText(chat);
  const [draft, setDraft] = useState<Draft>(() => loadDraft(draftId));
  const [sending, setSending] = useState(false);
  const box = useRef<HTMLTextAreaElement>(null);
  const file = useRef<HTMLInputElement>(null);
  const composing = useRef(false);

  useEffect(() => setDraft(loadDraft(draftId)), [draftId]);
  const change = (next: Draft) => {
    setDraft(next);
    saveDraft(draftId, next);
  };
  useLayoutEffect(() => {
    const area = box.current;
    if (!area) return;
    area.style.height = "auto";
    area.style.height = `${Math.min(area.scrollHeight, window.innerHeight * 0.4)}px`;
  }, [draft.text]);

  const addFiles = async (files: readonly File[]) => {
    const {files: read, refused} = await readFiles(files, draft.files.length);
    for (const {why, name} of refused)
      toast(why === "not_text" ? fill(t.notText, {name}) : why === "too_big" ? fill(t.tooBig, {name, size: `${LARGEST / 1024} KiB`}) : fill(t.tooMany, {n: MOST_FILES}), {bad: true});
    if (read.length) setDraft(now => {
      const next = {...now, files: [...now.files, ...read]};
      saveDraft(draftId, next);
      return next;
    });
    box.current?.focus();
  };
  useImperativeHandle(ref, () => ({focus: () => box.current?.focus(), addFiles: files => void addFiles(files)}));

  const send = async () => {
    if (disabled || writing || sending || (!draft.text.trim() && !draft.files.length)) return;
    const sent = draft;
    setSending(true);
    change({text: "", files: []});
    try {
      if (!(await onSend(sent))) change(sent);
    } finally {
      setSending(false);
      box.current?.focus();
    }
  };
  const keys = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    if (composing.current || !isSendKey(event)) return;
    event.preventDefault();
    void send();
  };
  const paste = (event: ClipboardEvent) => {
    const files = [...event.clipboardData.files];
    if (!files.length) return;
    event.preventDefault();
    void addFiles(files);
  };
  return (
    <form className="composer" onSubmit={event => { event.preventDefault(); void send(); }}>
      {draft.files.length > 0 && (
        <ul className="chips">
          {draft.files.map((attached, i) => (
            <li key={i} className="chip"><Icon name="file" size={15} /><bdi>{attached.name}</bdi>
              <IconButton icon="close" size={14} label={fill(t.removeFile, {name: attached.name})} onClick={() => change({...draft, files: draft.files.filter((_, j) => j !== i)})} />
            </li>
          ))}
        </ul>
      )}
      <div className="composer-row">
        <IconButton icon="attach" label={t.attach} onClick={() => file.current?.click()} disabled={disabled} />
        <input ref={file} type="file" multiple hidden aria-label={t.attach} accept=".txt,.md,.markdown,.csv,.json,.jsonl,.log,.xml,.yaml,.yml,.toml,.py,.js,.ts,.c,.cc,.cpp,.h,.rs,.go,.java,.sh,text/*"
          onChange={event => {
            const files = [...(event.target.files ?? [])];
            event.target.value = "";
            void addFiles(files);
          }} />
        <textarea ref={box} rows={1} value={draft.text} aria-label={t.message} placeholder={t.placeholder} title={t.keysHint} disabled={disabled} enterKeyHint="send" dir="auto"
          onChange={event => change({...draft, text: event.target.value})} onKeyDown={keys} onPaste={paste}
          onCompositionStart={() => { composing.current = true; }} onCompositionEnd={() => { setTimeout(() => { composing.current = false; }); }} />
        {writing
          ? <button type="button" className="round" aria-label={t.stop} title={t.stop} onClick={onStop}><Icon name="stop" /></button>
          : <button type="submit" className="round" aria-label={t.send} title={t.send} disabled={disabled || sending || (!draft.text.trim() && !draft.files.length)}><Icon name="send" /></button>}
      </div>
    </form>
  );
}
