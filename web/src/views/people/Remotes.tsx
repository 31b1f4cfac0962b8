// Models on other servers: added, listed without their keys, removed.
import {useState, type FormEvent} from "react";
import {api, ApiError} from "../../api/client";
import type {Remote} from "../../api/types";
import {fill, useText} from "../../i18n";
import {people as texts} from "../../i18n/people";
import {Button, Check, Confirm, TextField, toast, toastError} from "../../ui";
import {useWhy} from "../studio/calls";
import {Loaded, useLoad} from "../studio/load";

export function Remotes() {
  const t = useText(texts);
  const loading = useLoad<{remotes: Remote[]}>("/remotes");
  const [removing, setRemoving] = useState<Remote | null>(null);
  const remove = (id: string) => api.delete(`/remotes/${encodeURIComponent(id)}`).then(() => { toast(t.removed); void loading.reload(); }, toastError);
  return (
    <div className="stack">
      <p className="muted">{t.remotesText}</p>
      <Loaded from={loading}>
        {({remotes}) => remotes.length === 0 ? <p className="muted">{t.noRemotes}</p> : (
          <div className="st-table-box" tabIndex={0} role="region" aria-label={t.tab_models}>
            <table className="st-table">
              <thead><tr><th scope="col">{t.remoteId}</th><th scope="col">{t.remoteUrl}</th><th scope="col">{t.remoteModel}</th><th scope="col"><span className="visually-hidden">{t.remove}</span></th></tr></thead>
              <tbody>
                {remotes.map(remote => (
                  <tr key={remote.id}>
                    <th scope="row">{remote.id}{remote.trouble && <p className="st-problem small">{remote.trouble}</p>}</th><td className="pp-break">{remote.url}</td><td>{remote.model}</td>
                    <td><Button aria-label={fill(t.removeOf, {name: remote.id})} onClick={() => setRemoving(remote)}>{t.remove}</Button></td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </Loaded>
      <RemoteForm onAdded={() => void loading.reload()} />
      {removing && <Confirm open danger title={fill(t.removeTitle, {name: removing.id})} text={t.removeText} confirm={t.remove}
        onConfirm={() => void remove(removing.id)} onClose={() => setRemoving(null)} />}
    </div>
  );
}

const EMPTY = {id: "", url: "", model: "", key: ""};

function RemoteForm({onAdded}: {onAdded: () => void}) {
  const t = useText(texts);
  const why = useWhy();
  const [fields, setFields] = useState(EMPTY);
  const [allowPrivate, setAllowPrivate] = useState(false);
  const [tried, setTried] = useState(false);
  const [state, setState] = useState({busy: false, error: "", param: ""});
  const problem = (key: keyof typeof EMPTY): string | undefined => {
    if (state.error && state.param === key) return state.error;
    if (!tried || key === "key") return undefined;
    if (fields[key].trim() === "") return t.required;
    return key === "url" && !/^https?:\/\/[^\s/]+/.test(fields.url.trim()) ? t.remoteUrlBad : undefined;
  };
  const field = (key: keyof typeof EMPTY, label: string, hint?: string, type = "text") => (
    <TextField label={label} hint={hint} type={type} autoComplete="off" error={problem(key)} value={fields[key]}
      onChange={e => setFields(now => ({...now, [key]: e.target.value}))} />
  );
  const add = async (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (state.busy || !fields.id.trim() || !fields.model.trim() || !/^https?:\/\/[^\s/]+/.test(fields.url.trim())) return;
    setState({busy: true, error: "", param: ""});
    try {
      const {key, ...rest} = fields;
      await api.post("/remotes", {id: rest.id.trim(), url: rest.url.trim(), model: rest.model.trim(), ...(key && {key}), ...(allowPrivate && {allow_private: true})});
      toast(t.remoteAdded);
      setFields(EMPTY);
      setAllowPrivate(false);
      setTried(false);
      setState({busy: false, error: "", param: ""});
      onAdded();
    } catch (error) {
      setState({busy: false, error: why(error), param: error instanceof ApiError ? error.param : ""});
    }
  };
  return (
    <form className="card stack" aria-labelledby="pp-remote" noValidate onSubmit={event => void add(event)}>
      <h2 id="pp-remote">{t.remoteAdd}</h2>
      <div className="st-grid">
        {field("id", t.remoteId)}
        {field("url", t.remoteUrl, t.remoteUrlHint, "url")}
        {field("model", t.remoteModel)}
        {field("key", t.remoteKey, t.remoteKeyHint, "password")}
      </div>
      <Check label={t.remotePrivate} hint={t.remotePrivateHint} checked={allowPrivate} onChange={e => setAllowPrivate(e.target.checked)} />
      {state.error && !(state.param in EMPTY) && <p role="alert" className="st-problem">{state.error}</p>}
      <div className="row"><Button kind="primary" type="submit" busy={state.busy}>{t.remoteAdd}</Button></div>
    </form>
  );
}
