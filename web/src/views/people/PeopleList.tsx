// Everybody with an account: their roles, whether they may come in, and the erasing of all that is theirs.
import {useState} from "react";
import {api} from "../../api/client";
import type {Person, Role} from "../../api/types";
import {date, fill, useLanguage, useText, when} from "../../i18n";
import {common} from "../../i18n/common";
import {people as texts} from "../../i18n/people";
import {useSession} from "../../session";
import {Button, Confirm, Dialog, TextField, toast, toastError} from "../../ui";
import {useWhy} from "../studio/calls";
import {Loaded, useLoad} from "../studio/load";
import {EraseDialog} from "./EraseDialog";
import {RolesField} from "./RolesField";

type Asking = {what: "roles" | "disable" | "erase"; person: Person} | null;

export function PeopleList() {
  const t = useText(texts);
  const loading = useLoad<{people: Person[]}>("/people");
  const [find, setFind] = useState("");
  const [asking, setAsking] = useState<Asking>(null);
  const wanted = find.trim().toLowerCase();
  const put = (person: Person) => loading.put({people: (loading.data?.people ?? []).map(p => (p.id === person.id ? person : p))});
  const setDisabled = (person: Person, disabled: boolean) =>
    api.patch<Person>(`/people/${encodeURIComponent(person.id)}`, {disabled}).then(saved => { put(saved); toast(t.changed); }, toastError);
  return (
    <div className="stack">
      <TextField label={t.find} type="search" value={find} onChange={e => setFind(e.target.value)} />
      <Loaded from={loading}>
        {({people}) => {
          const shown = people.filter(p => wanted === "" || `${p.name}\n${p.email}`.toLowerCase().includes(wanted));
          return shown.length === 0 ? <p className="muted" role="status">{t.noMatch}</p> : (
            <ul className="pp-list">
              {shown.map(person => <Row key={person.id} person={person} ask={what => setAsking({what, person})} enable={() => void setDisabled(person, false)} />)}
            </ul>
          );
        }}
      </Loaded>
      {asking?.what === "roles" && <RolesDialog person={asking.person} onClose={() => setAsking(null)} onSaved={put} />}
      {asking?.what === "disable" && (
        <Confirm open title={fill(t.disableTitle, {name: nameOf(asking.person)})} text={fill(t.disableText, {name: nameOf(asking.person)})} confirm={t.disable} danger
          onConfirm={() => void setDisabled(asking.person, true)} onClose={() => setAsking(null)} />
      )}
      {asking?.what === "erase" && <EraseDialog person={asking.person} name={nameOf(asking.person)} onClose={() => setAsking(null)} onErased={() => void loading.reload()} />}
    </div>
  );
}

export const nameOf = (person: {name: string; email: string; id: string}): string => person.name || person.email || person.id;

function Row({person, ask, enable}: {person: Person; ask: (what: "roles" | "disable" | "erase") => void; enable: () => void}) {
  const t = useText(texts);
  const language = useLanguage();
  const {person: me} = useSession();
  const self = me?.id === person.id;
  const name = nameOf(person);
  const hint = self ? t.noSelf : undefined;
  return (
    <li className="card pp-person" data-disabled={person.disabled ? "" : undefined} aria-label={name}>
      <div className="pp-who">
        <h2>{person.name || t.nameless}{self && <span className="badge">{t.you}</span>}{person.disabled && <span className="badge pp-off">{t.disabled}</span>}</h2>
        <p className="muted small">{person.email}</p>
        <p className="pp-roles">{person.roles.map(role => <span key={role} className="badge" data-role={role}>{t[`role_${role}`]}</span>)}</p>
      </div>
      <dl className="pp-times small">
        <div><dt>{t.seen}</dt><dd>{person.seen ? when(person.seen, language) : t.never}</dd></div>
        <div><dt>{t.since}</dt><dd>{date(person.created, language)}</dd></div>
      </dl>
      <div className="row pp-actions">
        <Button aria-label={fill(t.changeRolesOf, {name})} onClick={() => ask("roles")}>{t.changeRoles}</Button>
        {person.disabled
          ? <Button aria-label={fill(t.enableOf, {name})} onClick={enable}>{t.enable}</Button>
          : <Button aria-label={fill(t.disableOf, {name})} disabled={self} title={hint} onClick={() => ask("disable")}>{t.disable}</Button>}
        <Button kind="quiet" icon="trash" aria-label={fill(t.eraseOf, {name})} disabled={self} title={hint} onClick={() => ask("erase")}>{t.erase}</Button>
      </div>
    </li>
  );
}

function RolesDialog({person, onClose, onSaved}: {person: Person; onClose: () => void; onSaved: (person: Person) => void}) {
  const t = useText(texts);
  const tc = useText(common);
  const why = useWhy();
  const [roles, setRoles] = useState<Role[]>(person.roles);
  const [state, setState] = useState({busy: false, error: ""});
  const save = async () => {
    if (state.busy) return;
    setState({busy: true, error: ""});
    try {
      onSaved(await api.patch<Person>(`/people/${encodeURIComponent(person.id)}`, {roles}));
      toast(t.changed);
      onClose();
    } catch (error) {
      setState({busy: false, error: why(error)});
    }
  };
  return (
    <Dialog open title={fill(t.rolesOf, {name: nameOf(person)})} onClose={onClose} onSubmit={() => void save()} actions={<>
      <Button onClick={onClose}>{tc.cancel}</Button><Button kind="primary" type="submit" busy={state.busy}>{tc.save}</Button>
    </>}>
      <RolesField roles={roles} onChange={setRoles} />
      {state.error && <p role="alert" className="st-problem">{state.error}</p>}
    </Dialog>
  );
}
