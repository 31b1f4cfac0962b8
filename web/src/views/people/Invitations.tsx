// Invitations: a link for one person, shown once; the open ones, and taking them back.
import {useState, type FormEvent} from "react";
import {api} from "../../api/client";
import type {Invitation, Role} from "../../api/types";
import {date, fill, useLanguage, useText} from "../../i18n";
import {common} from "../../i18n/common";
import {people as texts} from "../../i18n/people";
import {Button, TextField, toast, toastError} from "../../ui";
import {useWhy} from "../studio/calls";
import {Loaded, useLoad} from "../studio/load";
import {RolesField} from "./RolesField";

export function Invitations() {
  const t = useText(texts);
  const language = useLanguage();
  const loading = useLoad<{invitations: Invitation[]}>("/invitations");
  const withdraw = (id: string) =>
    api.delete(`/invitations/${encodeURIComponent(id)}`).then(() => { toast(t.withdrawn); void loading.reload(); }, toastError);
  const stateOf = (i: Invitation) => (i.used ? t.used : i.expires && i.expires < Date.now() / 1000 ? t.expired : t.openState);
  return (
    <div className="stack">
      <InviteForm onMade={() => void loading.reload()} />
      <Loaded from={loading}>
        {({invitations}) => invitations.length === 0 ? <p className="muted">{t.noInvitations}</p> : (
          <div className="st-table-box" tabIndex={0} role="region" aria-label={t.tab_invitations}>
            <table className="st-table">
              <thead><tr><th scope="col">{t.inviteFor}</th><th scope="col">{t.roles}</th><th scope="col">{t.expires}</th><th scope="col">{t.state}</th><th scope="col"><span className="visually-hidden">{t.withdraw}</span></th></tr></thead>
              <tbody>
                {invitations.map(invitation => {
                  const name = invitation.email || invitation.note || t.anyone;
                  return (
                    <tr key={invitation.id}>
                      <th scope="row">{invitation.email || t.anyone}{invitation.note && <div className="muted small">{invitation.note}</div>}</th>
                      <td>{invitation.roles.map(role => t[`role_${role}`]).join(", ")}</td>
                      <td>{invitation.expires ? date(invitation.expires, language) : "–"}</td>
                      <td>{stateOf(invitation)}</td>
                      <td>{!invitation.used && <Button aria-label={fill(t.withdrawOf, {name})} onClick={() => void withdraw(invitation.id)}>{t.withdraw}</Button>}</td>
                    </tr>
                  );
                })}
              </tbody>
            </table>
          </div>
        )}
      </Loaded>
    </div>
  );
}

function InviteForm({onMade}: {onMade: () => void}) {
  const t = useText(texts);
  const why = useWhy();
  const [email, setEmail] = useState("");
  const [note, setNote] = useState("");
  const [days, setDays] = useState("7");
  const [roles, setRoles] = useState<Role[]>(["user"]);
  const [tried, setTried] = useState(false);
  const [state, setState] = useState<{busy: boolean; error: string; link: string}>({busy: false, error: "", link: ""});
  const n = Number(days);
  const daysBad = !Number.isInteger(n) || n < 1 || n > 365;
  const make = async (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (state.busy || daysBad || roles.length === 0) return;
    setState({busy: true, error: "", link: ""});
    try {
      const made = await api.post<Invitation>("/invitations", {roles, days: n, ...(email.trim() && {email: email.trim()}), ...(note.trim() && {note: note.trim()})});
      setState({busy: false, error: "", link: made.link ?? ""});
      setEmail("");
      setNote("");
      setTried(false);
      onMade();
    } catch (error) {
      setState({busy: false, error: why(error), link: ""});
    }
  };
  return (
    <form className="card stack" aria-labelledby="pp-invite" noValidate onSubmit={event => void make(event)}>
      <h2 id="pp-invite">{t.invite}</h2>
      <div className="st-grid">
        <TextField label={t.inviteEmail} type="email" autoComplete="off" value={email} onChange={e => setEmail(e.target.value)} />
        <TextField label={t.inviteNote} value={note} onChange={e => setNote(e.target.value)} />
        <TextField label={t.inviteDays} inputMode="numeric" error={tried && daysBad ? t.inviteDaysBad : undefined} value={days} onChange={e => setDays(e.target.value)} />
      </div>
      <RolesField roles={roles} onChange={setRoles} error={tried && roles.length === 0 ? t.inviteRolesBad : undefined} />
      {state.error && <p role="alert" className="st-problem">{state.error}</p>}
      <div className="row"><Button kind="primary" type="submit" busy={state.busy}>{t.inviteDo}</Button></div>
      {state.link && <LinkOnce link={state.link} />}
    </form>
  );
}

function LinkOnce({link}: {link: string}) {
  const t = useText(texts);
  const tc = useText(common);
  const [copied, setCopied] = useState(false);
  return (
    <div className="notice stack" role="status">
      <p>{t.inviteOnce}</p>
      <div className="row pp-link">
        <input readOnly value={link} aria-label={t.inviteLink} onFocus={e => e.target.select()} />
        <Button icon="copy" onClick={() => navigator.clipboard?.writeText(link).then(() => setCopied(true), () => setCopied(false))}>{copied ? tc.copied : tc.copy}</Button>
      </div>
    </div>
  );
}
