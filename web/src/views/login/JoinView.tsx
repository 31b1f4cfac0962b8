// An invited person's first step: /join/<invitation>.
import {useState} from "react";
import {api, ApiError} from "../../api/client";
import {useText} from "../../i18n";
import {account} from "../../i18n/account";
import {Link, navigate, useSearch} from "../../router";
import {useSession} from "../../session";
import {Button, TextField} from "../../ui";
import type {ViewProps} from "../view";
import "./login.css";

export default function JoinView({params}: ViewProps) {
  const t = useText(account);
  const {refresh} = useSession();
  const search = useSearch();
  const given = params["invitation"] ?? search.get("invitation") ?? "";
  const [form, setForm] = useState({invitation: given, email: search.get("email") ?? "", name: "", password: ""});
  const [error, setError] = useState<ApiError | null>(null);
  const [busy, setBusy] = useState(false);
  const of = (param: string) => (error?.param === param ? error.message : undefined);
  // An invitation that came by the link has no field to stand at.
  const named = ["email", "name", "password", ...(given ? [] : ["invitation"])].includes(error?.param ?? "");
  const submit = async () => {
    setBusy(true);
    setError(null);
    try {
      await api.post("/join", form);
      await refresh();
      navigate("/", {replace: true});
    } catch (failure) {
      setError(failure instanceof ApiError ? failure : new ApiError(0, String(failure)));
    } finally {
      setBusy(false);
    }
  };
  return (
    <main className="door">
      <form className="card stack" onSubmit={event => { event.preventDefault(); void submit(); }}>
        <div className="door-head"><img src="/favicon.svg" alt="" width="48" height="48" /><h1>{t.joinTitle}</h1></div>
        <p className="muted">{t.joinText}</p>
        {!given && <TextField label={t.invitation} required value={form.invitation} error={of("invitation")} onChange={event => setForm({...form, invitation: event.target.value})} />}
        <TextField label={t.email} type="email" autoComplete="username" required value={form.email} error={of("email")} onChange={event => setForm({...form, email: event.target.value})} />
        <TextField label={t.name} autoComplete="name" required value={form.name} error={of("name")} onChange={event => setForm({...form, name: event.target.value})} />
        <TextField label={t.newPassword} type="password" autoComplete="new-password" required hint={t.passwordHint} value={form.password} error={of("password")} onChange={event => setForm({...form, password: event.target.value})} />
        <div role="alert">{error && !named && <p className="error">{error.message}</p>}</div>
        <Button kind="primary" type="submit" busy={busy}>{t.join}</Button>
        <Link to="/">{t.haveAccount}</Link>
      </form>
    </main>
  );
}
