// The chat: one conversation, or the beginning of one.
import {useCallback, useEffect, useLayoutEffect, useRef, useState, useSyncExternalStore, type DragEvent} from "react";
import {ApiError} from "../../api/client";
import type {Message, ModelList, Sampling} from "../../api/types";
import {fill, useText} from "../../i18n";
import {chat} from "../../i18n/chat";
import {useModels} from "../../models";
import {Link, navigate} from "../../router";
import {useRecipeState} from "../../recipe";
import {Button, Icon, IconButton, Menu, Spinner, toastError} from "../../ui";
import {common} from "../../i18n/common";
import type {ViewProps} from "../view";
import {Compare} from "./Compare";
import {Composer, type ComposerHandle} from "./Composer";
import {FirstRun} from "./FirstRun";
import {MessageView} from "./MessageView";
import {Panel} from "./Panel";
import {chatStore, createConversation, type ConversationState, type ConversationStore, type Draft, type NewConversation} from "./store";
import {siblings} from "./tree";
import "./chat.css";

const SHOWN = 40; // messages at first; earlier ones come as they are scrolled to

export default function ChatView({params}: ViewProps) {
  const id = params["id"];
  return id ? <Existing key={id} id={id} /> : <Fresh key="new" />;
}

function ModelPicker({models, model, onPick}: {models: ModelList | null; model: string; onPick: (id: string) => void}) {
  const t = useText(chat);
  if (!models?.models.length) return null;
  const shown = model || models.default;
  return (
    <Menu label={`${t.chooseModel}: ${shown}`} className="button quiet model-picker" items={models.models.map(m => ({
      label: m.id, checked: m.id === shown, run: () => onPick(m.id),
      detail: [m.kind === "remote" ? t.remote : "", m.loaded ? "" : t.notLoaded].filter(Boolean).join(", ") || undefined,
    }))}><bdi>{shown}</bdi><Icon name="chevron" size={16} /></Menu>
  );
}

function Notice() {
  const t = useText(chat);
  return <p className="ai-notice">{t.aiNotice}</p>;
}
function RecipeLink() {
  const t = useText(chat);
  const recipe = useRecipeState();
  if (recipe !== "running") return null;
  return <p className="recipe-link small">{t.running} <Link to="/run">{t.seeRecipe}</Link></p>;
}

// Files may be dropped anywhere on the chat.
function useDrop(composer: React.RefObject<ComposerHandle | null>) {
  const [over, setOver] = useState(false);
  const hasFiles = (event: DragEvent) => event.dataTransfer.types.includes("Files");
  return {over, handlers: {
    onDragOver: (event: DragEvent) => { if (hasFiles(event)) { event.preventDefault(); setOver(true); } },
    onDragLeave: (event: DragEvent) => { if (event.currentTarget === event.target || !event.currentTarget.contains(event.relatedTarget as Node | null)) setOver(false); },
    onDrop: (event: DragEvent) => { if (hasFiles(event)) { event.preventDefault(); setOver(false); composer.current?.addFiles([...event.dataTransfer.files]); } },
  }};
}
function DropHint({over}: {over: boolean}) {
  const t = useText(chat);
  return over ? <div className="drop-hint"><Icon name="file" size={28} />{t.dropHere}</div> : null;
}

const FRESH_KEY = "loquat-new";
function loadFresh(): NewConversation {
  try {
    return {system: "", sampling: {}, model: "", ...(JSON.parse(sessionStorage.getItem(FRESH_KEY) ?? "{}") as Partial<NewConversation>)};
  } catch {
    return {system: "", sampling: {}, model: ""};
  }
}

function Fresh() {
  const t = useText(chat);
  const models = useModels();
  const [options, setOptions] = useState(loadFresh);
  const [panel, setPanel] = useState(false);
  const composer = useRef<ComposerHandle>(null);
  const drop = useDrop(composer);
  const change = (part: Partial<NewConversation>) => setOptions(now => {
    const next = {...now, ...part};
    sessionStorage.setItem(FRESH_KEY, JSON.stringify(next));
    return next;
  });
  useEffect(() => {
    if (window.matchMedia("(pointer: fine)").matches) composer.current?.focus();
  }, []);
  const none = models !== null && !models.models.length;
  const send = async (draft: Draft): Promise<boolean> => {
    let store: ConversationStore;
    try {
      store = await createConversation(options);
    } catch (error) {
      toastError(error);
      return false;
    }
    sessionStorage.removeItem(FRESH_KEY);
    void store.send(null, draft.text, draft.files, options.model).then(() => chatStore.listChanged());
    navigate(`/c/${encodeURIComponent(store.id)}`);
    return true;
  };
  return (
    <div className="chat" {...drop.handlers}>
      <DropHint over={drop.over} />
      <div className="chat-column">
        <div className="chat-head">
          <ModelPicker models={models} model={options.model} onPick={model => change({model})} />
          <IconButton icon="sliders" label={t.panel} aria-expanded={panel} onClick={() => setPanel(!panel)} />
        </div>
        <div className="welcome">
          <img src="/favicon.svg" alt="" width="64" height="64" />
          {none ? <><h1>{t.noModels}</h1><p className="muted">{t.noModelsText}</p><Link className="button primary" to="/run">{t.seeRecipe}</Link></>
            : <><h1>{t.hello}</h1><p className="muted">{t.helloText}</p><RecipeLink /></>}
          <FirstRun />
        </div>
        <div className="composer-host">
          <Composer ref={composer} draftId="new" writing={false} disabled={none} onSend={send} onStop={() => {}} />
          <Notice />
        </div>
      </div>
      {panel && <Panel system={options.system} sampling={options.sampling} onClose={() => setPanel(false)} onSave={change_ => { change(change_); setPanel(false); }} />}
    </div>
  );
}

// Says for a screen reader that a reply began and how it ended, not each piece of it.
function useAnnouncement(state: ConversationState): string {
  const t = useText(chat);
  const [said, setSaid] = useState("");
  const before = useRef<{id: string; state: Message["state"]} | null>(null);
  const last = state.path[state.path.length - 1];
  useEffect(() => {
    if (!last || last.role !== "assistant") return;
    const was = before.current;
    before.current = {id: last.id, state: last.state};
    if (last.state === "writing" && was?.id !== last.id) setSaid(t.began);
    else if (last.state !== "writing" && (was?.id === last.id ? was.state === "writing" : state.asked === last.id))
      setSaid(last.state === "failed" || last.error ? fill(t.failedReply, {why: last.error}) : last.state === "stopped" ? t.stoppedSaid : t.ended);
  }, [last, state.asked, t]);
  return said;
}

// Keeps the end in view while it grows, unless the reader has scrolled up.
function useFollow(state: ConversationState) {
  const scroll = useRef<HTMLDivElement>(null);
  const inner = useRef<HTMLDivElement>(null);
  const follows = useRef(true);
  const [away, setAway] = useState(false);
  const toEnd = useCallback(() => {
    follows.current = true;
    setAway(false);
    if (scroll.current) scroll.current.scrollTop = scroll.current.scrollHeight;
  }, []);
  useEffect(() => {
    const box = scroll.current;
    if (!box || !inner.current) return;
    let top = box.scrollTop;
    let touched = -Infinity;
    const hand = () => { touched = performance.now(); };
    const moved = () => {
      const gap = box.scrollHeight - box.scrollTop - box.clientHeight;
      // Only a move upwards by hand is the reader's wish: what is laid out late moves it too.
      if (box.scrollTop < top - 2 && gap > 60 && performance.now() - touched < 800) follows.current = false;
      else if (gap < 40) follows.current = true;
      top = box.scrollTop;
      setAway(gap > 200 && !follows.current);
    };
    const grown = new ResizeObserver(() => {
      if (follows.current) box.scrollTop = box.scrollHeight;
    });
    const hands = ["wheel", "touchmove", "pointerdown", "keydown"] as const;
    for (const name of hands) box.addEventListener(name, hand, {passive: true});
    box.addEventListener("scroll", moved, {passive: true});
    grown.observe(inner.current);
    grown.observe(box);
    return () => {
      for (const name of hands) box.removeEventListener(name, hand);
      box.removeEventListener("scroll", moved);
      grown.disconnect();
    };
  }, [state.conversation === null]);
  return {scroll, inner, away, toEnd};
}

function Existing({id}: {id: string}) {
  const t = useText(chat);
  const tc = useText(common);
  const [store] = useState(() => chatStore.of(id));
  const state = useSyncExternalStore(store.watch, store.get);
  const models = useModels();
  const [panel, setPanel] = useState(false);
  const [shown, setShown] = useState(SHOWN);
  const composer = useRef<ComposerHandle>(null);
  const drop = useDrop(composer);
  const said = useAnnouncement(state);
  const {scroll, inner, away, toEnd} = useFollow(state);
  const {conversation, path, pending, tree} = state;

  useEffect(() => {
    // One that was begun a moment ago is here already.
    if (!store.get().conversation?.messages.length && store.get().pending.some(p => p.state === "sending")) return;
    void store.load();
  }, [store]);
  useEffect(() => {
    if (window.matchMedia("(pointer: fine)").matches) composer.current?.focus();
  }, [conversation === null]);
  useEffect(() => {
    if (conversation?.title) document.title = `${conversation.title} · Loquat`;
  }, [conversation?.title]);

  const model = conversation?.model ?? "";
  const last = path[path.length - 1];
  const writing = path.find(message => message.state === "writing");
  const busy = writing !== undefined || pending.some(p => p.state === "sending");
  const usable = models?.models.some(m => m.id === model) ? model : "";
  const regenerate = useCallback((message: Message) => {
    toEnd();
    void store.regenerate(message, usable).catch(toastError);
  }, [store, usable, toEnd]);
  const edit = useCallback((message: Message, content: string) => {
    toEnd();
    void store.send(message.parent, content, [], usable);
  }, [store, usable, toEnd]);

  if (state.error && !conversation) {
    return (
      <div className="center-message">
        <p role="alert">{state.error.status === 404 ? t.gone : `${t.loadFailed} ${state.error.message}`}</p>
        {state.error.status === 404 ? <Link to="/">{tc.toStart}</Link> : <Button kind="primary" onClick={() => void store.load()}>{tc.retry}</Button>}
      </div>
    );
  }
  const send = (draft: Draft): boolean => {
    toEnd();
    void store.send(last?.id ?? null, draft.text, draft.files, usable).then(() => chatStore.listChanged());
    return true;
  };
  const save = async (change: {system?: string; sampling?: Sampling; model?: string}) => {
    try {
      await store.patch(change);
      if (!("model" in change)) setPanel(false);
    } catch (error) {
      toastError(error);
    }
  };
  const compare = state.compare;
  const before = compare && tree.byId.get(compare.before), after = compare && tree.byId.get(compare.after);
  const from = Math.max(0, path.length - shown);
  return (
    <div className="chat" {...drop.handlers}>
      <DropHint over={drop.over} />
      <div className="chat-column">
        <div className="chat-head">
          <ModelPicker models={models} model={model} onPick={picked => void save({model: picked})} />
          <h1 className="chat-title" dir="auto">{conversation?.title || t.untitled}</h1>
          <IconButton icon="sliders" label={t.panel} aria-expanded={panel} onClick={() => setPanel(!panel)} />
        </div>
        <div className="scroll" ref={scroll} tabIndex={-1}>
          <div className="messages" ref={inner}>
            {!conversation && <div className="center-message"><Spinner label={tc.loading} /></div>}
            {from > 0 && <Earlier scroll={scroll} onMore={() => setShown(shown + SHOWN)} />}
            {path.slice(from).map(message => (
              <MessageView key={message.id} message={message} branches={siblings(tree, message)} store={store} busy={busy} onRegenerate={regenerate} onEdit={edit} />
            ))}
            {pending.map(p => (
              <article key={p.key} className="message user" aria-label={t.you}>
                <div className="bubble" dir="auto">{p.content}
                  {p.files.length > 0 && <ul className="chips">{p.files.map((f, i) => <li key={i} className="chip"><Icon name="file" size={15} /><bdi>{f.name}</bdi></li>)}</ul>}
                </div>
                {p.state === "sending" ? <p className="muted small not-sent">{t.sending}</p> : (
                  <div className="not-sent" role="alert"><span>{fill(t.notSent, {why: p.error})}</span>
                    <Button onClick={() => void store.sendAgain(p.key)} icon="again">{t.sendAgain}</Button><Button kind="quiet" onClick={() => store.discard(p.key)}>{t.discard}</Button></div>
                )}
              </article>
            ))}
            {last?.role === "user" && !busy && !pending.length && (
              <div className="row"><Button icon="again" onClick={() => void store.answer(last.id, usable).catch(toastError)}>{t.regenerate}</Button></div>
            )}
            {before && after && after.state !== "writing" && <Compare before={before} after={after} store={store} />}
          </div>
        </div>
        <div className="composer-host">
          {away && <button type="button" className="to-end" aria-label={t.toEnd} title={t.toEnd} onClick={toEnd}><Icon name="chevron" /></button>}
          <Composer ref={composer} draftId={id} writing={writing !== undefined} disabled={!conversation && !(state.error instanceof ApiError)} onSend={send}
            onStop={() => { if (writing) void store.stop(writing.id).catch(toastError); }} />
          <Notice />
        </div>
      </div>
      {panel && conversation && <Panel system={conversation.system} sampling={conversation.sampling} onSave={save} onClose={() => setPanel(false)} />}
      <p className="visually-hidden" role="status" aria-live="polite">{said}</p>
    </div>
  );
}

// At the top of what is shown: brings more when it is seen, and keeps what is read where it is.
function Earlier({scroll, onMore}: {scroll: React.RefObject<HTMLDivElement | null>; onMore: () => void}) {
  const t = useText(chat);
  const ref = useRef<HTMLButtonElement>(null);
  const height = useRef<number | null>(null);
  const more = useRef(onMore);
  more.current = () => {
    height.current = scroll.current?.scrollHeight ?? null;
    onMore();
  };
  useLayoutEffect(() => {
    const box = scroll.current;
    if (box && height.current !== null) box.scrollTop += box.scrollHeight - height.current;
    height.current = null;
  });
  useEffect(() => {
    if (!ref.current) return;
    let first = true; // before the page has scrolled to its end
    const seen = new IntersectionObserver(([entry]) => {
      if (!first && entry?.isIntersecting) more.current();
      first = false;
    }, {root: scroll.current});
    seen.observe(ref.current);
    return () => seen.disconnect();
  }, [scroll]);
  return <button ref={ref} type="button" className="button quiet earlier" onClick={() => more.current()}>{t.earlier}</button>;
}
