// A modal dialog over the browser's own <dialog>: it holds the focus, Escape closes it, and the focus goes back where it was.
import {useEffect, useId, useRef, type FormEvent, type ReactNode} from "react";
import {common} from "../i18n/common";
import {useText} from "../i18n";
import {Button, IconButton} from "./Button";

export interface DialogProps {
  open: boolean;
  title: string;
  onClose: () => void;
  children: ReactNode;
  actions?: ReactNode;
  wide?: boolean;
  onSubmit?: () => void; // the content is a form, and Enter submits it
  mustChoose?: boolean; // Escape does not close it and it has no ×
}
export function Dialog({open, title, onClose, children, actions, wide = false, onSubmit, mustChoose = false}: DialogProps) {
  const t = useText(common);
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = ref.current;
    if (!dialog || !open) return;
    const before = document.activeElement;
    dialog.showModal();
    return () => {
      dialog.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, [open]);
  if (!open) return null;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onSubmit?.();
  };
  const body = <>
    <div className="dialog-body">{children}</div>
    {actions && <div className="dialog-actions">{actions}</div>}
  </>;
  return (
    <dialog ref={ref} className={`dialog ${wide ? "wide" : ""}`} aria-labelledby={id}
      onCancel={event => { event.preventDefault(); if (!mustChoose) onClose(); }}
      onMouseDown={event => { if (event.target === ref.current && !mustChoose) onClose(); }}>
      <div className="dialog-head">
        <h2 id={id}>{title}</h2>
        {!mustChoose && <IconButton icon="close" label={t.close} onClick={onClose} />}
      </div>
      {onSubmit ? <form onSubmit={submit}>{body}</form> : body}
    </dialog>
  );
}

export interface ConfirmProps {
  open: boolean;
  title: string;
  text: string;
  confirm: string;
  danger?: boolean;
  onConfirm: () => void;
  onClose: () => void;
}
export function Confirm({open, title, text, confirm, danger = false, onConfirm, onClose}: ConfirmProps) {
  const t = useText(common);
  return (
    <Dialog open={open} title={title} onClose={onClose} actions={<>
      <Button onClick={onClose}>{t.cancel}</Button>
      <Button kind={danger ? "danger" : "primary"} onClick={() => { onClose(); onConfirm(); }}>{confirm}</Button>
    </>}>
      <p>{text}</p>
    </Dialog>
  );
}
