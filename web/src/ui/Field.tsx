// Labelled inputs: the label, the hint and the error belong to the input for a screen reader too.
import {useId, type InputHTMLAttributes, type ReactNode, type SelectHTMLAttributes, type TextareaHTMLAttributes} from "react";

interface Common {
  label: string;
  hint?: ReactNode;
  error?: string;
}
function Frame({id, label, hint, error, children}: Common & {id: string; children: ReactNode}) {
  return (
    <div className={`field ${error ? "bad" : ""}`}>
      <label htmlFor={id}>{label}</label>
      {children}
      {hint && <p className="hint" id={`${id}-hint`}>{hint}</p>}
      {error && <p className="error" id={`${id}-error`} role="alert">{error}</p>}
    </div>
  );
}
const described = (id: string, {hint, error}: Common) => ({
  id, "aria-invalid": error ? true : undefined,
  "aria-describedby": [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ") || undefined,
});

export function TextField({label, hint, error, ...rest}: Common & InputHTMLAttributes<HTMLInputElement>) {
  const id = useId();
  return <Frame {...{id, label, hint, error}}><input {...rest} {...described(id, {label, hint, error})} /></Frame>;
}
export function TextArea({label, hint, error, ...rest}: Common & TextareaHTMLAttributes<HTMLTextAreaElement>) {
  const id = useId();
  return <Frame {...{id, label, hint, error}}><textarea {...rest} {...described(id, {label, hint, error})} /></Frame>;
}
export function Select({label, hint, error, children, ...rest}: Common & SelectHTMLAttributes<HTMLSelectElement>) {
  const id = useId();
  return <Frame {...{id, label, hint, error}}><select {...rest} {...described(id, {label, hint, error})}>{children}</select></Frame>;
}
export function Check({label, hint, ...rest}: {label: ReactNode; hint?: ReactNode} & InputHTMLAttributes<HTMLInputElement>) {
  const id = useId();
  return (
    <div className="check">
      <input type="checkbox" {...rest} id={id} aria-describedby={hint ? `${id}-hint` : undefined} />
      <label htmlFor={id}>{label}</label>
      {hint && <p className="hint" id={`${id}-hint`}>{hint}</p>}
    </div>
  );
}
