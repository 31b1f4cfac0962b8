// The person's conversations beside the chat: searched, renamed, pinned, exported, imported, deleted.
import {useCallback, useEffect, useRef, useState, type ReactNode} from "react";
import {api, ApiError, download, query} from "../../api/client";
import type {ConversationRow, ImportResult} from "../../api/types";
import {fill, useText} from "../../i18n";
import {chat} from "../../i18n/chat";
import {common, nav} from "../../i18n/common";
import {Link, match, navigate, usePath} from "../../router";
import {Button, Confirm, Dialog, Icon, Menu, TextField, toast, toastError} from "../../ui";
import {chatStore} from "./store";

interface Page {
  conversations: ConversationRow[];
  more: boolean;
}
const PAGE = 40;
const MOST_AT_ONCE = 500;
const LARGEST_IMPORT = 64 << 20;

// A search's hit stands between U+0001 and U+0002.
export function Snippet({text}: {text: string}): ReactNode {
  const [before = "", rest = ""] = text.split("\u0001", 2);
  const [hit = "", after = ""] = rest.split("\u0002", 2);
  return <>{before}<mark>{hit}</mark>{after}</>;
}

export default function ConversationList() {
  const t = useText(chat);
  const tc = useText(common);
  const tn = useText(nav);
  const here = match("/c/:id", usePath())?.["id"];
  const [wanted, setWanted] = useState("");
  const [page, setPage] = useState<Page | null>(null);
  const [renaming, setRenaming] = useState<ConversationRow | null>(null);
  const [deleting, setDeleting] = useState<ConversationRow | null>(null);
  const [title, setTitle] = useState("");
  const file = useRef<HTMLInputElement>(null);
  const count = useRef(PAGE);
  const round = useRef(0);

  const load = useCallback(async () => {
    const mine = ++round.current;
    try {
      const rows: ConversationRow[] = [];
      for (;;) {
        const limit = Math.min(MOST_AT_ONCE, count.current - rows.length);
        const next = await api.get<Page>(`/conversations${query({query: wanted.trim(), limit, before: rows[rows.length - 1]?.id})}`);
        if (mine !== round.current) return;
        rows.push(...next.conversations);
        if (next.more && next.conversations.length && rows.length < count.current) continue;
        return setPage({conversations: rows, more: next.more});
      }
    } catch (error) {
      if (!(error instanceof ApiError && error.network)) toastError(error); // the banner tells of the network
    }
  }, [wanted]);
  useEffect(() => {
    const id = setTimeout(() => void load(), wanted ? 220 : 0);
    const stop = chatStore.onListChanged(() => void load());
    return () => {
      clearTimeout(id);
      stop();
    };
  }, [load, wanted]);

  const change = async (row: ConversationRow, part: {title?: string; pinned?: boolean}) => {
    try {
      await chatStore.of(row.id).patch(part);
      await load();
    } catch (error) {
      toastError(error);
    }
  };
  const remove = async (row: ConversationRow) => {
    try {
      await api.delete(`/conversations/${encodeURIComponent(row.id)}`);
      chatStore.forget(row.id);
      if (row.id === here) navigate("/");
    } catch (error) {
      toastError(error);
    }
  };
  const importFrom = async (chosen: File) => {
    if (chosen.size > LARGEST_IMPORT) return toast(fill(t.tooBig, {name: chosen.name, size: `${LARGEST_IMPORT >> 20} MiB`}), {bad: true});
    const text = await chosen.text();
    let body: unknown;
    try {
      const parsed: unknown = JSON.parse(text);
      body = Array.isArray(parsed) ? {conversations: parsed} : parsed;
      if (typeof body !== "object" || body === null) return toast(t.importBad, {bad: true});
    } catch {
      body = {text}; // one conversation on each line, or nothing that can be read: the server says which
    }
    try {
      const {imported, skipped} = await api.post<ImportResult>("/import", body);
      toast(skipped.length ? fill(t.importSkipped, {n: imported, m: skipped.length, why: skipped[0]!.why}) : fill(t.imported, {n: imported}));
      await load();
    } catch (error) {
      toastError(error);
    }
  };

  const rows = page?.conversations ?? [];
  return (
    <section className="conversations" aria-label={t.conversations}>
      <div className="conversation-tools">
        <Link className="button new-chat" to="/"><Icon name="plus" size={18} />{tn.newChat}</Link>
        <Menu label={tc.more} items={[
          {label: t.importFile, icon: "upload", run: () => file.current?.click()},
          {label: t.exportAll, icon: "download", run: () => void download("/export", "conversations.json").catch(toastError)},
        ]}><Icon name="more" /></Menu>
        <input ref={file} type="file" accept=".json,.jsonl,application/json" hidden aria-label={t.importFile} onChange={event => {
          const chosen = event.target.files?.[0];
          event.target.value = "";
          if (chosen) void importFrom(chosen);
        }} />
      </div>
      <div className="search-box">
        <Icon name="search" size={17} />
        <input type="search" value={wanted} aria-label={t.searchConversations} placeholder={t.searchConversations} onChange={event => setWanted(event.target.value)} />
      </div>
      <div className="conversation-scroll">
        <ul>
          {rows.map(row => {
            const name = row.title || t.untitled;
            return (
              <li key={row.id} className={row.id === here ? "here" : ""}>
                <Link to={`/c/${encodeURIComponent(row.id)}`} aria-current={row.id === here ? "page" : undefined} title={name}>
                  <span className="name">{row.pinned && <Icon name="pin" size={14} />}{row.pinned && <span className="visually-hidden">{t.pinned}: </span>}<bdi>{name}</bdi></span>
                  {row.snippet ? <small><Snippet text={row.snippet} /></small> : null}
                </Link>
                <Menu label={fill(t.actionsFor, {title: name})} className="icon-button row-menu" items={[
                  {label: t.rename, icon: "edit", run: () => { setTitle(row.title); setRenaming(row); }},
                  {label: row.pinned ? t.unpin : t.pin, icon: "pin", run: () => void change(row, {pinned: !row.pinned})},
                  {label: t.exportJson, icon: "download", run: () => void download(`/conversations/${encodeURIComponent(row.id)}/export?format=json`, "conversation.json").catch(toastError)},
                  {label: t.exportMarkdown, icon: "download", run: () => void download(`/conversations/${encodeURIComponent(row.id)}/export?format=markdown`, "conversation.md").catch(toastError)},
                  {label: tc.delete, icon: "trash", danger: true, run: () => setDeleting(row)},
                ]}><Icon name="more" size={18} /></Menu>
              </li>
            );
          })}
        </ul>
        {page && !rows.length && <p className="muted small none">{wanted ? t.noHits : t.noConversations}</p>}
        {page?.more && <Button kind="quiet" onClick={() => { count.current += PAGE; void load(); }}>{t.older}</Button>}
      </div>
      <Dialog open={renaming !== null} title={t.rename} onClose={() => setRenaming(null)}
        onSubmit={() => { if (renaming && title.trim()) void change(renaming, {title: title.trim()}); setRenaming(null); }}
        actions={<><Button onClick={() => setRenaming(null)}>{tc.cancel}</Button><Button kind="primary" type="submit">{tc.save}</Button></>}>
        <TextField label={t.titleLabel} value={title} maxLength={200} autoFocus onChange={event => setTitle(event.target.value)} />
      </Dialog>
      <Confirm open={deleting !== null} title={t.deleteTitle} text={fill(t.deleteText, {title: deleting?.title || t.untitled})} confirm={tc.delete} danger
        onConfirm={() => { if (deleting) void remove(deleting); }} onClose={() => setDeleting(null)} />
    </section>
  );
}
