// Who read the person's own chats, and when: the audit log's entries about them.
import {useState} from "react";
import {api, query} from "../../api/client";
import type {Reading} from "../../api/types";
import {dateTime, fill, useLanguage, useText} from "../../i18n";
import {review} from "../../i18n/review";
import {Link} from "../../router";
import {Button, toastError} from "../../ui";
import {Loaded, useLoad} from "../studio/load";
import "../review/review.css";

interface Page {
  readings: Reading[];
  more: boolean;
}

export function Readings() {
  const t = useText(review);
  const language = useLanguage();
  const loading = useLoad<Page>("/readings");
  const [busy, setBusy] = useState(false);
  const older = async (page: Page) => {
    setBusy(true);
    try {
      const next = await api.get<Page>(`/readings${query({before: page.readings.at(-1)?.id})}`);
      loading.put({readings: [...page.readings, ...next.readings], more: next.more && next.readings.length > 0});
    } catch (error) {
      toastError(error);
    }
    setBusy(false);
  };
  const words = ({action, name, title, conversations}: Reading) => action === "list_conversations"
    ? fill(t.readList, {name: name || t.somebody, n: conversations})
    : fill(t[`read_${action}`], {name: name || t.somebody, title: title || t.readGone});
  return (
    <section className="card stack" aria-labelledby="set-readings">
      <h2 id="set-readings">{t.readTitle}</h2>
      <Loaded from={loading}>
        {page => page.readings.length === 0 ? <p className="muted">{t.readNone}</p> : <>
          <ul className="rv-readings">
            {page.readings.map(reading => (
              <li key={reading.id}>
                <span className="muted small">{dateTime(reading.time, language)}</span>{" "}
                {reading.title ? <Link to={`/c/${encodeURIComponent(reading.conversation)}`}>{words(reading)}</Link> : words(reading)}
              </li>
            ))}
          </ul>
          {page.more && <div className="row"><Button busy={busy} onClick={() => void older(page)}>{t.older}</Button></div>}
        </>}
      </Loaded>
    </section>
  );
}
