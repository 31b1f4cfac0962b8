// What a person sets for themselves.
import {useState} from "react";
import {api, ApiError, download} from "../../api/client";
import type {Settings} from "../../api/types";
import {useText} from "../../i18n";
import {account} from "../../i18n/account";
import {useSession} from "../../session";
import {Readings} from "./Readings";
import {Button, Check, Select, TextField, toast, toastError} from "../../ui";

export default function SettingsView() {
  const t = useText(account);
  const {session, settings, changeSettings} = useSession();
  const change = (part: Partial<Settings>) => void changeSettings(part).catch(toastError);
  return (
    <div className="page narrow">
      <h1>{t.settings}</h1>
      <section className="card stack" aria-labelledby="set-look">
        <h2 id="set-look">{t.appearance}</h2>
        <Select label={t.language} value={settings.language} onChange={event => change({language: event.target.value as Settings["language"]})}>
          <option value="">{t.followBrowser}</option><option value="en" lang="en">English</option><option value="zh" lang="zh-CN">中文</option>
        </Select>
        <Select label={t.theme} value={settings.theme} onChange={event => change({theme: event.target.value as Settings["theme"]})}>
          <option value="">{t.followSystem}</option><option value="light">{t.light}</option><option value="dark">{t.dark}</option>
        </Select>
      </section>
      <section className="card stack" aria-labelledby="set-privacy">
        <h2 id="set-privacy">{t.privacy}</h2>
        <p className="muted">{t.privacyText}</p>
        <Check label={t.mayReview} hint={t.mayReviewHint} checked={settings.may_review} onChange={event => change({may_review: event.target.checked, asked: true})} />
        <Check label={t.mayTrain} hint={t.mayTrainHint} checked={settings.may_train} onChange={event => change({may_train: event.target.checked, asked: true})} />
      </section>
      {(session.mode === "team" || settings.may_review) && <Readings />}
      {session.mode === "team" ? <Password /> : <p className="muted">{t.localText}</p>}
      <section className="card stack" aria-labelledby="set-data">
        <h2 id="set-data">{t.yourData}</h2>
        <p className="muted">{t.exportText}</p>
        <div><Button icon="download" onClick={() => void download("/export", "conversations.json").catch(toastError)}>{t.exportAll}</Button></div>
      </section>
    </div>
  );
}

function Password() {
  const t = useText(account);
  const {refresh} = useSession();
  const [old, setOld] = useState("");
  const [next, setNext] = useState("");
  const [error, setError] = useState<ApiError | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async () => {
    setBusy(true);
    setError(null);
    try {
      await api.post("/password", {old, new: next});
      setOld("");
      setNext("");
      toast(t.changed);
      await refresh();
    } catch (failure) {
      setError(failure instanceof ApiError ? failure : new ApiError(0, String(failure)));
    } finally {
      setBusy(false);
    }
  };
  return (
    <section className="card" aria-labelledby="set-password">
      <form className="stack" onSubmit={event => { event.preventDefault(); void submit(); }}>
        <h2 id="set-password">{t.changePassword}</h2>
        <TextField label={t.oldPassword} type="password" autoComplete="current-password" required value={old} error={error?.param !== "new" ? error?.message : undefined} onChange={event => setOld(event.target.value)} />
        <TextField label={t.newPassword} type="password" autoComplete="new-password" required hint={t.passwordHint} value={next} error={error?.param === "new" ? error.message : undefined} onChange={event => setNext(event.target.value)} />
        <div><Button kind="primary" type="submit" busy={busy}>{t.change}</Button></div>
      </form>
    </section>
  );
}
