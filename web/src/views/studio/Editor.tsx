// A text with its preview through the shared renderer. Ctrl+Shift+P changes between the two.
import {useId, useState} from "react";
import {fill, useText} from "../../i18n";
import {studio} from "../../i18n/studio";
import {Markdown} from "../../markdown/Markdown";

interface Props {
  label: string;
  value: string;
  onChange: (value: string) => void;
  rows?: number;
  placeholder?: string;
  invalid?: boolean;
  disabled?: boolean;
}

export function Editor({label, value, onChange, rows = 8, placeholder, invalid, disabled}: Props) {
  const t = useText(studio);
  const id = useId();
  const [preview, setPreview] = useState(false);
  return (
    <div
      className="st-editor"
      onKeyDown={e => {
        if (e.key.toLowerCase() === "p" && e.shiftKey && (e.ctrlKey || e.metaKey)) {
          e.preventDefault();
          setPreview(!preview);
        }
      }}
    >
      <div className="st-editor-head">
        <label htmlFor={id}>{label}</label>
        <div role="group" aria-label={t.editorMode} className="st-switch">
          <button type="button" aria-pressed={!preview} onClick={() => setPreview(false)}>
            {t.editorWrite}
          </button>
          <button type="button" aria-pressed={preview} onClick={() => setPreview(true)}>
            {t.editorPreview}
          </button>
        </div>
      </div>
      {preview ? (
        <div className="st-preview" tabIndex={0} role="region" aria-label={fill(t.editorPreviewOf, {what: label})}>
          {value.trim() === "" ? <p className="st-hint">{t.editorNothing}</p> : <Markdown text={value} />}
        </div>
      ) : (
        <textarea
          id={id}
          rows={rows}
          value={value}
          placeholder={placeholder}
          disabled={disabled}
          aria-invalid={invalid || undefined}
          onChange={e => onChange(e.target.value)}
        />
      )}
    </div>
  );
}
