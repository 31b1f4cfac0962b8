// A project is made or changed: what is asked of people, of which models, and how often.
import {useRef, useState, type FormEvent} from "react";
import {api, ApiError} from "../../api/client";
import type {ModelList} from "../../api/types";
import {fill, useText} from "../../i18n";
import {common} from "../../i18n/common";
import {studio} from "../../i18n/studio";
import {Link, navigate} from "../../router";
import {Button, Check, Icon, Select, TextArea, TextField, toast} from "../../ui";
import {useWhy} from "./calls";
import {Editor} from "./Editor";
import {useLoad} from "./load";
import {fieldsOf, LIMITS, NEW, problemsIn, settingsOf, type Fields} from "./projectForm";
import {KINDS, type Project} from "./types";

export function NewProject() {
  const t = useText(studio);
  return (
    <div className="page narrow">
      <div className="page-head">
        <Link to="/studio" className="st-back"><Icon name="left" size={16} />{t.title}</Link>
        <h1>{t.newProject}</h1>
      </div>
      <ProjectForm onSaved={project => { toast(t.projectMade); navigate(`/studio/${encodeURIComponent(project.id)}/prompts`); }} />
    </div>
  );
}

export function ProjectForm({project, onSaved}: {project?: Project; onSaved: (project: Project) => void}) {
  const t = useText(studio);
  const tc = useText(common);
  const why = useWhy();
  const [fields, setFields] = useState<Fields>(() => (project ? fieldsOf(project) : NEW));
  const [tried, setTried] = useState(false);
  const [state, setState] = useState<{busy: boolean; error: string; param: string}>({busy: false, error: "", param: ""});
  const form = useRef<HTMLFormElement>(null);
  const models = useLoad<ModelList>("/models");
  const problems = problemsIn(fields);
  const set = <K extends keyof Fields>(key: K) => (value: Fields[K]) => setFields(now => ({...now, [key]: value}));

  const errorOf = (key: keyof Fields, param: string = key): string | undefined => {
    if (state.error && state.param === param) return state.error;
    const problem = tried ? problems[key] : undefined;
    if (!problem) return undefined;
    if (problem !== "range") return problem === "models" ? t.problemModels : t.problemRequired;
    return fill(t.problemRange, {low: LIMITS[key as keyof typeof LIMITS].low, high: LIMITS[key as keyof typeof LIMITS].high});
  };
  const number = (key: keyof typeof LIMITS, label: string, hint?: string, param?: string) => (
    <TextField label={label} hint={hint} error={errorOf(key, param)} inputMode="decimal" value={fields[key]} onChange={e => set(key)(e.target.value)} />
  );

  const save = async (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (state.busy) return;
    if (Object.keys(problems).length > 0) {
      requestAnimationFrame(() => form.current?.querySelector<HTMLElement>("[aria-invalid=true], [data-wanting] input")?.focus());
      return;
    }
    setState({busy: true, error: "", param: ""});
    try {
      const settings = settingsOf(fields);
      const saved = project
        ? await api.patch<Project>(`/projects/${encodeURIComponent(project.id)}`, settings)
        : await api.post<Project>("/projects", settings);
      setState({busy: false, error: "", param: ""});
      onSaved(saved);
    } catch (error) {
      setState({busy: false, error: why(error), param: error instanceof ApiError ? error.param : ""});
    }
  };
  const toggleModel = (id: string, on: boolean) => set("models")(on ? [...fields.models, id] : fields.models.filter(m => m !== id));
  const known = models.data?.models.map(m => m.id) ?? [];
  const asksModels = fields.kind !== "review";

  return (
    <form ref={form} className="stack" onSubmit={event => void save(event)} noValidate>
      <TextField label={t.name} error={errorOf("name")} value={fields.name} maxLength={200} onChange={e => set("name")(e.target.value)} />
      <Select label={t.kind} value={fields.kind} disabled={project !== undefined} hint={t[`kind_${fields.kind}Text`]}
        onChange={e => set("kind")(e.target.value as Fields["kind"])}>
        {KINDS.map(kind => <option key={kind} value={kind}>{t[`kind_${kind}`]}</option>)}
      </Select>
      <Editor label={t.guidelines} rows={10} value={fields.guidelines} onChange={set("guidelines")} placeholder={t.guidelinesHint} />
      {asksModels && (
        <fieldset className="st-flags" data-wanting={errorOf("models") ? "" : undefined}>
          <legend>{t.models}</legend>
          {[...new Set([...known, ...fields.models])].map(id => (
            <label key={id}><input type="checkbox" checked={fields.models.includes(id)} onChange={e => toggleModel(id, e.target.checked)} /><span>{id}</span></label>
          ))}
          <p className="st-hint">{t.modelsHint}</p>
          {errorOf("models") && <p role="alert" className="st-problem">{errorOf("models")}</p>}
        </fieldset>
      )}
      <div className="st-grid">
        {fields.kind === "ranking" && number("k", t.k, t.kHint)}
        {number("overlap", t.overlap, t.overlapHint)}
        {number("minutes", t.minutes, t.minutesHint)}
        {number("gold", t.gold, t.goldHint, "gold_share")}
      </div>
      {fields.kind === "ranking" && (
        <TextArea label={t.criteria} hint={t.criteriaHint} rows={3} value={fields.criteria} onChange={e => set("criteria")(e.target.value)} />
      )}
      <TextArea label={t.warning} hint={t.warningHint} rows={2} value={fields.warning} onChange={e => set("warning")(e.target.value)} />
      {asksModels && (
        <fieldset className="st-plain-set">
          <legend>{t.sampling}</legend>
          <div className="st-grid">
            {number("temperature", t.temperature)}
            {number("top_p", t.topP)}
            {number("max_tokens", t.maxTokens)}
          </div>
        </fieldset>
      )}
      {fields.kind === "demonstration" && <Check label={t.prefill} hint={t.prefillHint} checked={fields.prefill} onChange={e => set("prefill")(e.target.checked)} />}
      {project && <Check label={t.closedLabel} hint={t.closedHint} checked={fields.closed} onChange={e => set("closed")(e.target.checked)} />}
      {state.error && <p role="alert" className="st-problem">{state.error}</p>}
      <div className="row"><Button kind="primary" type="submit" busy={state.busy}>{project ? tc.save : t.makeProject}</Button></div>
    </form>
  );
}
