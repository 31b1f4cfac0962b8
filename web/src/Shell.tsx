// What stands around every view: the sidebar with the navigation that the person's roles allow (a drawer on a phone), and the
// banner when the server cannot be reached.
import {useEffect, useRef, useState, type ReactNode} from "react";
import {useSession} from "./session";
import {Link, usePath} from "./router";
import {useStreamState} from "./tab";
import {fill, useText} from "./i18n";
import {common, nav as navTexts} from "./i18n/common";
import {Icon, IconButton, toastError, type IconName} from "./ui";
import {useRecipeState} from "./recipe";
import ConversationList from "./views/chat/ConversationList";

interface NavItem {
  to: string;
  text: string;
  icon: IconName;
  shown: boolean;
  here: (path: string) => boolean;
  badge?: string;
}

function useNav(): NavItem[] {
  const t = useText(navTexts);
  const {has} = useSession();
  const recipe = useRecipeState();
  const below = (root: string) => (path: string) => path === root || path.startsWith(`${root}/`);
  return [
    {to: "/", text: t.chat, icon: "chat" as const, shown: true, here: (path: string) => path === "/" || path.startsWith("/c/")},
    {to: "/blind", text: t.blind, icon: "blind" as const, shown: true, here: below("/blind")},
    {to: "/studio", text: t.studio, icon: "studio" as const, shown: has("labeler", "red_teamer", "reviewer"), here: below("/studio")},
    {to: "/reviews", text: t.reviews, icon: "review" as const, shown: has("reviewer"), here: below("/reviews")},
    {to: "/people", text: t.people, icon: "people" as const, shown: has("admin"), here: below("/people")},
    {to: "/run", text: t.run, icon: "run" as const, shown: recipe !== "none", here: below("/run"), badge: recipe === "running" ? t.running : undefined},
    {to: "/settings", text: t.settings, icon: "settings" as const, shown: true, here: below("/settings")},
  ].filter(item => item.shown);
}

// A banner only when the line is away for more than a blink.
function Offline() {
  const t = useText(common);
  const state = useStreamState();
  const [shown, setShown] = useState(false);
  useEffect(() => {
    if (state === "open" || state === "closed") return setShown(false);
    const id = setTimeout(() => setShown(true), state === "waiting" ? 1200 : 6000);
    return () => clearTimeout(id);
  }, [state]);
  return <div role="status" className="banner-host">{shown && <div className="banner"><Icon name="warning" size={18} />{t.offline}</div>}</div>;
}

export function Shell({children}: {children: ReactNode}) {
  const t = useText(common);
  const tn = useText(navTexts);
  const {session, person, signOut} = useSession();
  const path = usePath();
  const items = useNav();
  const [drawer, setDrawer] = useState(false);
  const side = useRef<HTMLElement>(null);
  const opener = useRef<HTMLButtonElement>(null);
  const main = useRef<HTMLElement>(null);
  const inChat = path === "/" || path.startsWith("/c/");
  const here = items.find(item => item.here(path));

  useEffect(() => setDrawer(false), [path]);
  useEffect(() => {
    if (!drawer) return;
    side.current?.querySelector<HTMLElement>("a, button")?.focus();
    const keys = (event: KeyboardEvent) => {
      if (event.key === "Escape") {
        setDrawer(false);
        opener.current?.focus();
      }
    };
    document.addEventListener("keydown", keys);
    return () => document.removeEventListener("keydown", keys);
  }, [drawer]);
  useEffect(() => {
    document.title = here && !inChat ? `${here.text} · Loquat` : "Loquat";
  }, [here, inChat]);

  return (
    <div className="shell">
      <a className="skip" href="#main" onClick={event => { event.preventDefault(); main.current?.focus(); }}>{t.skip}</a>
      <header className="top-bar">
        <IconButton ref={opener} icon="menu" label={t.menu} aria-expanded={drawer} onClick={() => setDrawer(true)} />
        <span className="top-title">{here?.text ?? t.appName}</span>
        <Link className="icon-button" to="/" aria-label={tn.newChat} title={tn.newChat}><Icon name="plus" /></Link>
      </header>
      {drawer && <div className="scrim" onClick={() => setDrawer(false)} />}
      <aside ref={side} className={`sidebar ${drawer ? "open" : ""}`}>
        <div className="brand">
          <Link to="/"><img src="/favicon.svg" alt="" width="28" height="28" /><span>{t.appName}</span></Link>
          {drawer && <IconButton icon="close" label={t.closeMenu} onClick={() => { setDrawer(false); opener.current?.focus(); }} />}
        </div>
        <nav aria-label={tn.main}>
          <ul>
            {items.map(item => (
              <li key={item.to}>
                <Link to={item.to} aria-current={item.here(path) ? "page" : undefined}>
                  <Icon name={item.icon} /><span>{item.text}</span>{item.badge && <span className="badge">{item.badge}</span>}
                </Link>
              </li>
            ))}
          </ul>
        </nav>
        {inChat ? <ConversationList /> : <div className="grow" />}
        {session.mode === "team" && person && (
          <div className="who">
            <span title={person.email}>{fill(tn.signedInAs, {name: person.name || person.email})}</span>
            <IconButton icon="out" label={tn.signOut} onClick={() => void signOut().catch(toastError)} />
          </div>
        )}
      </aside>
      <main id="main" ref={main} tabIndex={-1} inert={drawer || undefined}>
        <Offline />
        {children}
      </main>
    </div>
  );
}
