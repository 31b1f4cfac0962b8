// Loads what a view shows, says so while it does, and offers to try again where it could not.
import {useCallback, useEffect, useRef, useState, type ReactNode} from "react";
import {api} from "../../api/client";
import {useText} from "../../i18n";
import {common} from "../../i18n/common";
import {Button, Spinner} from "../../ui";
import {useWhy} from "./calls";

export interface Loading<T> {
  data: T | null;
  error: unknown;
  reload: () => Promise<void>;
  put: (data: T) => void;
  at: number; // when it came, in ms
}
// `every`: asked again after so many ms while the page is looked at. Old data stays while new data comes.
export function useLoad<T>(path: string | null, every = 0): Loading<T> {
  const [state, setState] = useState<{data: T | null; error: unknown; at: number}>({data: null, error: null, at: 0});
  const round = useRef(0);
  const reload = useCallback(async () => {
    if (path === null) return;
    const mine = ++round.current;
    try {
      const data = await api.get<T>(path);
      if (round.current === mine) setState({data, error: null, at: Date.now()});
    } catch (error) {
      if (round.current === mine) setState(now => ({...now, error}));
    }
  }, [path]);
  useEffect(() => {
    setState({data: null, error: null, at: 0});
    void reload();
    return () => void ++round.current;
  }, [reload]);
  useEffect(() => {
    if (every === 0) return;
    const id = setInterval(() => { if (!document.hidden) void reload(); }, every);
    return () => clearInterval(id);
  }, [every, reload]);
  const put = useCallback((data: T) => setState({data, error: null, at: Date.now()}), []);
  return {...state, reload, put};
}

export function Loaded<T>({from, children}: {from: Loading<T>; children: (data: T) => ReactNode}) {
  const t = useText(common);
  const why = useWhy();
  if (from.data === null && from.error === null) return <div className="st-loading"><Spinner label={t.loading} /></div>;
  return (
    <>
      {from.error !== null && (
        <div className="notice bad row" role="alert"><span>{why(from.error)}</span><Button onClick={() => void from.reload()}>{t.retry}</Button></div>
      )}
      {from.data !== null && children(from.data)}
    </>
  );
}
