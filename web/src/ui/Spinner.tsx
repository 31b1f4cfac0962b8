export function Spinner({small = false, label}: {small?: boolean; label?: string}) {
  return (
    <span className={`spinner ${small ? "small" : ""}`} role={label ? "status" : undefined}>
      <svg viewBox="0 0 24 24" aria-hidden="true"><circle cx="12" cy="12" r="9" /></svg>
      {label && <span className="visually-hidden">{label}</span>}
    </span>
  );
}
