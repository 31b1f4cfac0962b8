// Signing in.
import {useEffect, useState} from "react";
import {api, ApiError} from "../../api/client";
import {fill, useText} from "../../i18n";
import {account} from "../../i18n/account";
import {useSearch} from "../../router";
import {useSession} from "../../session";
import {Button, TextField} from "../../ui";
import "./login.css";

export default function LoginView() {
  const t = useText(account);
  const {session, refresh} = useSession();
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const returned = useSearch().get("sign_in"); // what a provider's sign-in came to
  const [error, setError] = useState(() => returned === null ? "" : t[`sign_in_${returned}` as keyof typeof t] ?? t.sign_in_failed);
  const [busy, setBusy] = useState(false);
  const [wait, setWait] = useState(0);
  useEffect(() => {
    if (wait <= 0) return;
    const id = setTimeout(() => setWait(wait - 1), 1000);
    return () => clearTimeout(id);
  }, [wait]);
  const submit = async () => {
    setBusy(true);
    setError("");
    try {
      await api.post("/login", {email, password});
      await refresh();
    } catch (failure) {
      if (failure instanceof ApiError && failure.status === 429) setWait(failure.retryAfter ?? 30);
      setError(failure instanceof Error ? failure.message : String(failure));
      setPassword("");
    } finally {
      setBusy(false);
    }
  };
  return (
    <main className="door">
      <form className="card stack" onSubmit={event => { event.preventDefault(); void submit(); }}>
        <div className="door-head"><img src="/favicon.svg" alt="" width="48" height="48" /><h1>Loquat</h1></div>
        <TextField label={t.email} type="email" autoComplete="username" required autoFocus value={email} onChange={event => setEmail(event.target.value)} />
        <TextField label={t.password} type="password" autoComplete="current-password" required value={password} onChange={event => setPassword(event.target.value)} />
        <div role="alert">{wait > 0 ? <p className="error">{fill(t.wait, {n: wait})}</p> : error && <p className="error">{error}</p>}</div>
        <Button kind="primary" type="submit" busy={busy} disabled={wait > 0}>{t.signIn}</Button>
        {session.oidc && <a className="button" href="/api/app/oidc/start">{fill(t.signInWith, {name: session.oidc.name})}</a>}
      </form>
    </main>
  );
}
