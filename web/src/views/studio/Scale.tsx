// A row of numbers to choose one from: radio buttons, so that arrows, screen readers and forms know them.
import {useId} from "react";

interface Props {
  label: string;
  from: number;
  to: number;
  value: number | null | undefined;
  onChange: (value: number) => void;
  low?: string;
  high?: string;
  /** What each number means, read out and shown on hover. */
  meaning?: (value: number) => string;
  compact?: boolean;
  disabled?: boolean;
}

export function Scale({label, from, to, value, onChange, low, high, meaning, compact, disabled}: Props) {
  const name = useId();
  const values = Array.from({length: to - from + 1}, (_, i) => from + i);
  return (
    <fieldset className={compact ? "st-scale st-scale-compact" : "st-scale"} disabled={disabled}>
      <legend>
        {label}
        {low !== undefined && (
          <small>
            {" "}
            ({from} {low}, {to} {high})
          </small>
        )}
      </legend>
      <div className="st-scale-row">
        {values.map(n => (
          <label key={n} className="st-scale-step" title={meaning?.(n)}>
            <input
              type="radio"
              name={name}
              value={n}
              checked={value === n}
              onChange={() => onChange(n)}
              aria-label={meaning ? `${n}: ${meaning(n)}` : String(n)}
            />
            <span aria-hidden="true">{n}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}
