// What admins look after: people, invitations, the audit log, remote models.
import {useText} from "../../i18n";
import {common} from "../../i18n/common";
import {people as texts} from "../../i18n/people";
import {Link, match, usePath} from "../../router";
import {useSession} from "../../session";
import {Audit} from "./Audit";
import {Invitations} from "./Invitations";
import {PeopleList} from "./PeopleList";
import {Remotes} from "./Remotes";
import "../studio/studio.css";
import "./people.css";

const TABS = ["people", "invitations", "audit", "models"] as const;
const LOCAL_TABS = ["models", "audit"] as const; // without accounts there is nobody else

export default function PeopleView() {
  const t = useText(texts);
  const tc = useText(common);
  const path = usePath();
  const {session} = useSession();
  const tabs: readonly (typeof TABS)[number][] = session.mode === "local" ? LOCAL_TABS : TABS;
  const wanted = match("/people", path) ? tabs[0] : match("/people/:tab", path)?.tab ?? "";
  const tab = tabs.find(each => each === wanted) ?? "";
  return (
    <div className="page pp-page">
      <h1>{t.title}</h1>
      {session.mode === "local" && <p className="notice">{t.local}</p>}
      <nav className="st-tabs" aria-label={t.tabs}>
        {tabs.map(each => (
          <Link key={each} to={each === tabs[0] ? "/people" : `/people/${each}`} aria-current={each === tab ? "page" : undefined}>{t[`tab_${each}`]}</Link>
        ))}
      </nav>
      {tab === "people" ? <PeopleList /> : tab === "invitations" ? <Invitations /> : tab === "audit" ? <Audit /> : tab === "models" ? <Remotes />
        : <p>{tc.notFound}</p>}
    </div>
  );
}
