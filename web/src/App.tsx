// The whole page: the session, the shell, and the view that the path names. The chat comes with the page; every other view's
// code is loaded when it is first shown.
import {Component, lazy, Suspense, type ComponentType, type ReactNode} from "react";
import {SessionProvider, useSession} from "./session";
import {match, usePath} from "./router";
import {Shell} from "./Shell";
import {Button, Spinner, Toasts} from "./ui";
import ChatView from "./views/chat/ChatView";
import {common} from "./i18n/common";
import {fill, useText} from "./i18n";
import type {ApiError} from "./api/client";
import type {Role} from "./api/types";
import type {ViewProps} from "./views/view";

interface View {
  pattern: string;
  roles?: Role[]; // any of them; none: everyone who is signed in
  view: ComponentType<ViewProps>;
}
const Review = lazy(() => import("./views/review/ReviewView"));
const views: View[] = [
  {pattern: "/", view: ChatView},
  {pattern: "/c/:id", view: ChatView},
  {pattern: "/run", view: lazy(() => import("./views/run/RunView"))},
  {pattern: "/blind", view: lazy(() => import("./views/blind/BlindView"))},
  {pattern: "/settings", view: lazy(() => import("./views/settings/SettingsView"))},
  {pattern: "/studio/*", roles: ["labeler", "red_teamer", "reviewer"], view: lazy(() => import("./views/studio/StudioView"))},
  {pattern: "/reviews", roles: ["reviewer"], view: Review},
  {pattern: "/reviews/:id", roles: ["reviewer"], view: Review},
  {pattern: "/people/*", roles: ["admin"], view: lazy(() => import("./views/people/PeopleView"))},
];
const Login = lazy(() => import("./views/login/LoginView"));
const Join = lazy(() => import("./views/login/JoinView"));

class Catch extends Component<{children: ReactNode; fallback: ReactNode}, {failed: boolean}> {
  override state = {failed: false};
  static getDerivedStateFromError() {
    return {failed: true};
  }
  override render() {
    return this.state.failed ? this.props.fallback : this.props.children;
  }
}

function Failed() {
  const t = useText(common);
  return (
    <div className="center-message" role="alert">
      <h1>{t.viewFailed}</h1>
      <p>{t.viewFailedText}</p>
      <Button kind="primary" onClick={() => window.location.reload()}>{t.reload}</Button>
    </div>
  );
}
function NotFound() {
  const t = useText(common);
  return <div className="center-message"><h1>{t.notFound}</h1><p>{t.notFoundText}</p><a href="/">{t.toStart}</a></div>;
}
function Waiting({error, retry}: {error: ApiError | null; retry: () => void}) {
  const t = useText(common);
  return (
    <main className="center-message">
      {error ? <><p role="alert">{fill(t.failed, {why: error.message})}</p><Button kind="primary" onClick={retry}>{t.retry}</Button></>
        : <Spinner label={t.loading} />}
    </main>
  );
}

function Content() {
  const path = usePath();
  const {has} = useSession();
  for (const {pattern, roles, view: Current} of views) {
    const params = match(pattern, path);
    if (params) return !roles || has(...roles) ? <Current params={params} /> : <NotFound />;
  }
  return <NotFound />;
}

function Page() {
  const {person} = useSession();
  const path = usePath();
  const t = useText(common);
  const loading = <div className="center-message"><Spinner label={t.loading} /></div>;
  if (match("/join", path) || match("/join/:invitation", path)) return <Suspense fallback={loading}><Join params={match("/join/:invitation", path) ?? {}} /></Suspense>;
  if (!person) return <Suspense fallback={loading}><Login /></Suspense>;
  const area = path.split("/")[1] ?? "";
  return (
    <Shell>
      <Catch key={area} fallback={<Failed />}><Suspense fallback={loading}><Content /></Suspense></Catch>
    </Shell>
  );
}

export function App() {
  return (
    <SessionProvider waiting={(error, retry) => <Waiting error={error} retry={retry} />}>
      <Catch fallback={<Failed />}><Page /></Catch>
      <Toasts />
    </SessionProvider>
  );
}
