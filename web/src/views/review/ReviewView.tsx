// Reviewers read people's chats: a list that is searched and filtered, and one chat whole, read-only. Each list and each chat that
// is asked for is written to the audit log, so that nothing is asked for by itself: a search goes out when it is sent.
import {useEffect, useState} from "react";
import {api, query} from "../../api/client";
import type {ReviewRow} from "../../api/types";
import {count, fill, useLanguage, useText, when} from "../../i18n";
import {review} from "../../i18n/review";
import {Link, match, navigate, usePath, useSearch} from "../../router";
import {Button, Icon, Select, TextField, toastError} from "../../ui";
import {Snippet} from "../chat/ConversationList";
import {Loaded, useLoad} from "../studio/load";
import {ReviewedChatView} from "./ReviewedChatView";
import "../studio/studio.css";
import "../chat/chat.css";
import "./review.css";

interface Page {
  conversations: ReviewRow[];
  more: boolean;
}
const FILTERS = ["", "any", "down", "flags"] as const;

export default function ReviewView() {
  const path = usePath();
  const one = match("/reviews/:id", path);
  return one ? <ReviewedChatView key={one.id} id={one.id!} /> : <ReviewList />;
}

function ReviewList() {
  const t = useText(review);
  const search = useSearch();
  const words = search.get("query") ?? "";
  const feedback = FILTERS.find(f => f === search.get("feedback")) ?? "";
  const [typed, setTyped] = useState(words);
  useEffect(() => setTyped(words), [words]);
  const go = (next: {query?: string; feedback?: string}) => navigate(`/reviews${query({query: words, feedback, ...next})}`);
  return (
    <div className="page">
      <h1>{t.title}</h1>
      <p className="muted">{t.text}</p>
      <form className="rv-filter" role="search" aria-label={t.find} onSubmit={event => { event.preventDefault(); go({query: typed.trim()}); }}>
        <TextField label={t.searchLabel} type="search" value={typed} onChange={event => setTyped(event.target.value)} />
        <Select label={t.feedbackLabel} value={feedback} onChange={event => go({feedback: event.target.value, query: typed.trim()})}>
          {FILTERS.map(each => <option key={each} value={each}>{each === "" ? t.all : t[each]}</option>)}
        </Select>
        <Button type="submit" icon="search">{t.find}</Button>
      </form>
      <Rows key={`${feedback} ${words}`} words={words} feedback={feedback} />
    </div>
  );
}

function Rows({words, feedback}: {words: string; feedback: string}) {
  const t = useText(review);
  const loading = useLoad<Page>(`/reviews${query({query: words, feedback})}`);
  const [busy, setBusy] = useState(false);
  const older = async (page: Page) => {
    setBusy(true);
    try {
      const next = await api.get<Page>(`/reviews${query({query: words, feedback, before: page.conversations.at(-1)?.id})}`);
      loading.put({conversations: [...page.conversations, ...next.conversations], more: next.more && next.conversations.length > 0});
    } catch (error) {
      toastError(error);
    }
    setBusy(false);
  };
  return (
    <Loaded from={loading}>
      {page => page.conversations.length === 0 ? <div className="st-empty" role="status"><p>{t.none}</p><p className="muted">{t.noneText}</p></div> : <>
        <ul className="rv-list" aria-label={t.listLabel}>{page.conversations.map(row => <Row key={row.id} row={row} />)}</ul>
        {page.more && <div className="row"><Button busy={busy} onClick={() => void older(page)}>{t.more}</Button></div>}
      </>}
    </Loaded>
  );
}

function Row({row}: {row: ReviewRow}) {
  const t = useText(review);
  const language = useLanguage();
  const marks: ["down" | "flag" | "up", number, string][] = [["down", row.down, t.downs], ["flag", row.flagged, t.flagged], ["up", row.up, t.ups]];
  return (
    <li>
      <Link className="card rv-row" to={`/reviews/${encodeURIComponent(row.id)}`}>
        <span className="rv-title"><bdi>{row.title || t.untitled}</bdi></span>
        {row.snippet && <span className="rv-snippet"><Snippet text={row.snippet} /></span>}
        <span className="rv-about muted small">
          <span>{fill(t.by, {who: row.who, time: when(row.updated, language)})}</span>
          {marks.filter(([, n]) => n > 0).map(([icon, n, text]) => (
            <span key={icon} className="rv-mark"><Icon name={icon} size={15} /><span aria-hidden="true">{count(n, language)}</span><span className="visually-hidden">{fill(text, {n})}</span></span>
          ))}
        </span>
      </Link>
    </li>
  );
}
