// Who is here: the mode, the person, their roles and settings. Everything below <SessionProvider> may ask.
import {createContext, useCallback, useContext, useEffect, useMemo, useState, type ReactNode} from "react";
import {api, ApiError, onSignedOut, setCsrf} from "./api/client";
import type {Me, Role, Session, Settings} from "./api/types";
import {browserLanguage, LanguageContext, type Language} from "./i18n";
import {keepStream} from "./tab";

export interface SessionValue {
  session: Session;
  person: Me | null;
  settings: Settings;
  language: Language;
  has: (...roles: Role[]) => boolean; // any of them; an admin has all
  refresh: () => Promise<void>;
  changeSettings: (change: Partial<Settings>) => Promise<void>; // shown at once, put back where the server says no
  signOut: () => Promise<void>;
}
const SessionContext = createContext<SessionValue | null>(null);

export function useSession(): SessionValue {
  const value = useContext(SessionContext);
  if (!value) throw new Error("useSession outside of SessionProvider");
  return value;
}

function applyTheme(theme: Settings["theme"]): void {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
}

const PERSON = "loquat-person";
// What this tab holds (drafts, what was not sent, conversations in memory) is one person's: where another signs in, it goes, and
// the page begins anew. true: it does.
function handOver(person: Me | null): boolean {
  if (!person) return false;
  try {
    const before = sessionStorage.getItem(PERSON);
    if (before !== null && before !== person.id) sessionStorage.clear();
    sessionStorage.setItem(PERSON, person.id);
    return before !== null && before !== person.id;
  } catch {
    return false;
  }
}

interface ProviderProps {
  children: ReactNode;
  waiting: (error: ApiError | null, retry: () => void) => ReactNode; // until the session is known
}
export function SessionProvider({children, waiting}: ProviderProps) {
  const [session, setSession] = useState<Session | null>(null);
  const [error, setError] = useState<ApiError | null>(null);

  const refresh = useCallback(async () => {
    try {
      const next = await api.get<Session>("/session");
      if (handOver(next.person)) return window.location.reload();
      setCsrf(next.csrf);
      setSession(next);
      setError(null);
      keepStream(next.person !== null);
    } catch (failure) {
      setError(failure instanceof ApiError ? failure : new ApiError(0, String(failure)));
    }
  }, []);
  useEffect(() => {
    void refresh();
    return onSignedOut(() => void refresh());
  }, [refresh]);
  // The server may still be starting: the page asks again by itself.
  useEffect(() => {
    if (session || !error?.retryable) return;
    const id = setTimeout(() => void refresh(), 2000);
    return () => clearTimeout(id);
  }, [session, error, refresh]);

  const language: Language = session?.settings.language || browserLanguage();
  useEffect(() => {
    document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  }, [language]);
  useEffect(() => applyTheme(session?.settings.theme ?? ""), [session?.settings.theme]);

  const changeSettings = useCallback(async (change: Partial<Settings>) => {
    const apply = (part: Partial<Settings>) => setSession(now => now && {...now, settings: {...now.settings, ...part}});
    const before = session?.settings;
    apply(change);
    try {
      apply(await api.patch<Settings>("/settings", change));
    } catch (failure) {
      if (before) apply(before);
      throw failure;
    }
  }, [session?.settings]);
  const signOut = useCallback(async () => {
    await api.post("/logout");
    keepStream(false);
    await refresh();
  }, [refresh]);

  const value = useMemo<SessionValue | null>(() => {
    if (!session) return null;
    const mine = session.person?.roles ?? [];
    return {
      session, person: session.person, settings: session.settings, language, refresh, changeSettings, signOut,
      has: (...roles) => mine.includes("admin") || roles.some(role => mine.includes(role)),
    };
  }, [session, language, refresh, changeSettings, signOut]);

  return (
    <LanguageContext.Provider value={language}>
      {value ? <SessionContext.Provider value={value}>{children}</SessionContext.Provider> : waiting(error, () => void refresh())}
    </LanguageContext.Provider>
  );
}
