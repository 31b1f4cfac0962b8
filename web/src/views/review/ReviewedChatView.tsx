// One chat of somebody's, whole and read-only: its branches are walked here without changing anything for its person.
import {useMemo, useState} from "react";
import {api, ApiError} from "../../api/client";
import type {Feedback, Message, Project, ReviewedChat} from "../../api/types";
import {dateTime, fill, useLanguage, useText} from "../../i18n";
import {chat as chatTexts} from "../../i18n/chat";
import {common} from "../../i18n/common";
import {review} from "../../i18n/review";
import {studio} from "../../i18n/studio";
import {Markdown} from "../../markdown/Markdown";
import {Link} from "../../router";
import {Button, Dialog, Icon, IconButton, Select, toast} from "../../ui";
import {Folded} from "../chat/MessageView";
import {makeTree, newestLeaf, pathTo, siblings} from "../chat/tree";
import {useWhy} from "../studio/calls";
import {Loaded, useLoad} from "../studio/load";

export function ReviewedChatView({id}: {id: string}) {
  const t = useText(review);
  const loading = useLoad<ReviewedChat>(`/reviews/${encodeURIComponent(id)}`);
  const gone = loading.error instanceof ApiError && loading.error.status === 404;
  return (
    <div className="page narrow">
      <div className="page-head"><Link to="/reviews" className="st-back"><Icon name="left" size={16} />{t.back}</Link></div>
      {gone ? <div className="center-message"><h1>{t.gone}</h1><p>{t.goneText}</p></div> : <Loaded from={loading}>{chat => <Chat chat={chat} />}</Loaded>}
    </div>
  );
}

function Chat({chat}: {chat: ReviewedChat}) {
  const t = useText(review);
  const language = useLanguage();
  const tree = useMemo(() => makeTree(chat.messages), [chat.messages]);
  const [leaf, setLeaf] = useState(() => (chat.current !== null && tree.byId.has(chat.current) ? chat.current : newestLeaf(tree, null)));
  const [using, setUsing] = useState<Message | null>(null);
  return (
    <>
      <h1><bdi>{chat.title || t.untitled}</bdi></h1>
      <p className="muted small">{fill(t.by, {who: chat.who, time: dateTime(chat.updated, language)})}</p>
      <p className="notice small">{t.audited}{!chat.may_train && ` ${t.noTraining}`}</p>
      {chat.system && <details className="folded"><summary>{t.system}</summary><p className="rv-system" dir="auto">{chat.system}</p></details>}
      <div className="rv-messages">
        {pathTo(tree, leaf).map(message => (
          <Said key={message.id} message={message} branches={siblings(tree, message)} onShow={other => setLeaf(newestLeaf(tree, other))}
            onUse={chat.may_train && message.role === "user" ? () => setUsing(message) : undefined} />
        ))}
      </div>
      {using && <UseDialog chat={chat} message={using} onClose={() => setUsing(null)} />}
    </>
  );
}

interface SaidProps {
  message: Message;
  branches: readonly string[];
  onShow: (message: string) => void;
  onUse?: () => void;
}
function Said({message, branches, onShow, onUse}: SaidProps) {
  const t = useText(review);
  const tc = useText(chatTexts);
  const at = branches.indexOf(message.id);
  const walk = branches.length > 1 && (
    <div className="branches" role="group" aria-label={tc.branches}>
      <IconButton icon="left" size={16} label={tc.previousBranch} disabled={at <= 0} onClick={() => onShow(branches[at - 1]!)} />
      <span aria-label={fill(tc.branch, {i: at + 1, n: branches.length})} role="img">{at + 1}/{branches.length}</span>
      <IconButton icon="right" size={16} label={tc.nextBranch} disabled={at >= branches.length - 1} onClick={() => onShow(branches[at + 1]!)} />
    </div>
  );
  if (message.role === "user") {
    return (
      <article className="message user" aria-label={t.person}>
        <div className="bubble" dir="auto">{message.content}
          {message.files.length > 0 && <ul className="chips">{message.files.map((file, i) => <li key={i} className="chip"><Icon name="file" size={15} /><bdi>{file.name}</bdi></li>)}</ul>}
        </div>
        <div className="rv-actions">{walk}{onUse && <Button kind="quiet" icon="studio" onClick={onUse}>{t.useAsPrompt}</Button>}</div>
      </article>
    );
  }
  return (
    <article className="message assistant" aria-label={tc.assistant}>
      <div className="said-by"><img src="/favicon.svg" alt="" width="20" height="20" /><span>{message.model || tc.assistant}</span></div>
      <Folded message={message} />
      {message.content ? <Markdown text={message.content} /> : <p className="muted">{tc.emptyReply}</p>}
      {message.state === "failed" && <p className="notice bad">{fill(tc.failedReply, {why: message.error})}</p>}
      {walk}
      {message.feedback && <SaidOfIt feedback={message.feedback} />}
    </article>
  );
}

function SaidOfIt({feedback}: {feedback: Feedback}) {
  const t = useText(review);
  const ts = useText(studio);
  return (
    <section className="rv-feedback" aria-label={t.feedbackOf}>
      <div className="row">
        {feedback.thumb && <span className="rv-mark"><Icon name={feedback.thumb} size={16} />{feedback.thumb === "up" ? t.thumbUp : t.thumbDown}</span>}
        {feedback.flags.map(flag => <span key={flag} className="badge">{ts[`flag_${flag}`]}</span>)}
      </div>
      {feedback.comment && <p dir="auto">{feedback.comment}</p>}
      {feedback.better && <><p className="small muted">{t.better}</p><Markdown text={feedback.better} /></>}
    </section>
  );
}

function UseDialog({chat, message, onClose}: {chat: ReviewedChat; message: Message; onClose: () => void}) {
  const t = useText(review);
  const tc = useText(common);
  const why = useWhy();
  const loading = useLoad<{projects: Project[]}>("/projects");
  const open = loading.data?.projects.filter(project => !project.closed && project.kind !== "review") ?? [];
  const [chosen, setChosen] = useState("");
  const [state, setState] = useState({busy: false, error: ""});
  const project = chosen || open[0]?.id || "";
  const use = async () => {
    if (!project || state.busy) return;
    setState({busy: true, error: ""});
    try {
      const {added} = await api.post<{added: boolean}>(`/reviews/${encodeURIComponent(chat.id)}/prompts`, {message: message.id, project});
      toast(added ? t.used : t.usedBefore);
      onClose();
    } catch (error) {
      setState({busy: false, error: why(error)});
    }
  };
  return (
    <Dialog open title={t.useTitle} onClose={onClose} onSubmit={() => void use()} actions={<>
      <Button onClick={onClose}>{tc.cancel}</Button><Button kind="primary" type="submit" busy={state.busy} disabled={!project}>{t.use}</Button>
    </>}>
      <p>{t.useText}</p>
      <Loaded from={loading}>
        {() => open.length === 0 ? <p role="status">{t.noProjects}</p> : (
          <Select label={t.project} value={project} onChange={event => setChosen(event.target.value)}>
            {open.map(each => <option key={each.id} value={each.id}>{each.name}</option>)}
          </Select>
        )}
      </Loaded>
      {state.error && <p role="alert" className="notice bad">{state.error}</p>}
    </Dialog>
  );
}
