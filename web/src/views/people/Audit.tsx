// The audit log, filtered by action and person, older entries on request.
import {useState} from "react";
import {api, query} from "../../api/client";
import type {AuditEntry, Person} from "../../api/types";
import {dateTime, useLanguage, useText} from "../../i18n";
import {people as texts} from "../../i18n/people";
import {navigate, useSearch} from "../../router";
import {Button, Select, TextField, toastError} from "../../ui";
import {Loaded, useLoad} from "../studio/load";
import {nameOf} from "./PeopleList";

interface Log {
  entries: AuditEntry[];
  more: boolean;
}
const detailOf = (detail: unknown): string =>
  detail === null || detail === undefined || detail === "" ? "" : typeof detail === "string" ? detail : JSON.stringify(detail).replace(/^\{\}$/, "");

export function Audit() {
  const t = useText(texts);
  const search = useSearch();
  const person = search.get("person") ?? "", action = search.get("action") ?? "";
  const people = useLoad<{people: Person[]}>("/people");
  const [typed, setTyped] = useState(action);
  const go = (next: {person?: string; action?: string}) => navigate(`/people/audit${query({person, action, ...next})}`, {replace: true});
  return (
    <div className="stack">
      <p className="muted">{t.auditText}</p>
      <form className="st-grid pp-filter" role="search" aria-label={t.auditFilter} onSubmit={e => { e.preventDefault(); go({action: typed.trim()}); }}>
        <Select label={t.auditPerson} value={person} onChange={e => go({person: e.target.value})}>
          <option value="">{t.auditAll}</option>
          {people.data?.people.map(p => <option key={p.id} value={p.id}>{nameOf(p)}</option>)}
        </Select>
        <TextField label={t.auditAction} value={typed} list="pp-actions" placeholder={t.auditAll} onChange={e => setTyped(e.target.value)} onBlur={() => go({action: typed.trim()})} />
        <Button type="submit" icon="search">{t.auditFilter}</Button>
      </form>
      <Entries key={`${person} ${action}`} person={person} action={action} />
    </div>
  );
}

function Entries({person, action}: {person: string; action: string}) {
  const t = useText(texts);
  const language = useLanguage();
  const loading = useLoad<Log>(`/audit${query({person, action})}`);
  const [busy, setBusy] = useState(false);
  const older = async (log: Log) => {
    setBusy(true);
    try {
      const next = await api.get<Log>(`/audit${query({person, action, before: log.entries.at(-1)?.id})}`);
      loading.put({entries: [...log.entries, ...next.entries], more: next.more && next.entries.length > 0});
    } catch (error) {
      toastError(error);
    }
    setBusy(false);
  };
  return (
    <Loaded from={loading}>
      {log => log.entries.length === 0 ? <p className="muted" role="status">{t.noAudit}</p> : (
        <>
          <datalist id="pp-actions">{[...new Set(log.entries.map(e => e.action))].map(a => <option key={a} value={a} />)}</datalist>
          <div className="st-table-box" tabIndex={0} role="region" aria-label={t.tab_audit}>
            <table className="st-table">
              <thead><tr><th scope="col">{t.auditTime}</th><th scope="col">{t.auditPerson}</th><th scope="col">{t.auditAction}</th><th scope="col">{t.auditObject}</th><th scope="col">{t.auditDetail}</th></tr></thead>
              <tbody>
                {log.entries.map(entry => (
                  <tr key={entry.id}>
                    <td className="pp-nowrap">{dateTime(entry.time, language)}</td><td>{entry.name || entry.person}</td><td><code>{entry.action}</code></td>
                    <td className="pp-break">{entry.object}</td><td className="pp-break small">{detailOf(entry.detail)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          {log.more && <div className="row"><Button busy={busy} onClick={() => void older(log)}>{t.older}</Button></div>}
        </>
      )}
    </Loaded>
  );
}
