// A button that opens a list of actions. Arrow keys, Home, End and letters move; Escape and Tab close it.
import {useEffect, useId, useLayoutEffect, useRef, useState, type KeyboardEvent, type ReactNode} from "react";
import {createPortal} from "react-dom";
import {Icon, type IconName} from "./icons";

export interface MenuItem {
  label: string;
  detail?: string;
  icon?: IconName;
  danger?: boolean;
  checked?: boolean; // one of a choice
  disabled?: boolean;
  run: () => void;
}
export interface MenuProps {
  label: string; // the button's name where `children` has no text
  items: MenuItem[];
  children: ReactNode;
  className?: string;
  disabled?: boolean;
}

export function Menu({label, items, children, className = "icon-button", disabled = false}: MenuProps) {
  const [open, setOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const id = useId();
  const close = (focus: boolean) => {
    setOpen(false);
    if (focus) button.current?.focus();
  };
  useLayoutEffect(() => {
    if (!open || !list.current || !button.current) return;
    const at = button.current.getBoundingClientRect();
    const box = list.current.getBoundingClientRect();
    const below = at.bottom + box.height + 12 <= window.innerHeight || at.top < box.height + 12;
    list.current.style.top = `${Math.max(8, below ? at.bottom + 4 : at.top - box.height - 4)}px`;
    list.current.style.left = `${Math.max(8, Math.min(at.left, window.innerWidth - box.width - 8))}px`;
    const checked = list.current.querySelector<HTMLElement>("[aria-checked=true]");
    (checked ?? list.current.querySelector<HTMLElement>("[role^=menuitem]"))?.focus();
  }, [open]);
  useEffect(() => {
    if (!open) return;
    const outside = (event: Event) => {
      if (event.target instanceof Node && !list.current?.contains(event.target) && !button.current?.contains(event.target)) setOpen(false);
    };
    const moved = (event: Event) => {
      if (!(event.target instanceof Node && list.current?.contains(event.target))) setOpen(false);
    };
    document.addEventListener("pointerdown", outside);
    window.addEventListener("resize", moved);
    document.addEventListener("scroll", moved, true);
    return () => {
      document.removeEventListener("pointerdown", outside);
      window.removeEventListener("resize", moved);
      document.removeEventListener("scroll", moved, true);
    };
  }, [open]);
  const keys = (event: KeyboardEvent) => {
    const all = [...(list.current?.querySelectorAll<HTMLElement>("[role^=menuitem]:not(:disabled)") ?? [])];
    const at = all.indexOf(document.activeElement as HTMLElement);
    const go = (index: number) => {
      event.preventDefault();
      all[(index + all.length) % all.length]?.focus();
    };
    if (event.key === "ArrowDown") go(at + 1);
    else if (event.key === "ArrowUp") go(at - 1);
    else if (event.key === "Home") go(0);
    else if (event.key === "End") go(all.length - 1);
    else if (event.key === "Escape" || event.key === "Tab") {
      event.preventDefault();
      event.stopPropagation();
      close(true);
    } else if (event.key.length === 1 && /\S/.test(event.key)) {
      const rest = [...all.slice(at + 1), ...all.slice(0, at + 1)];
      rest.find(item => item.textContent?.trim().toLowerCase().startsWith(event.key.toLowerCase()))?.focus();
    }
  };
  // Inside a modal <dialog> the list has to stand in it, or it would lie below.
  const host = button.current?.closest("dialog") ?? document.body;
  return <>
    <button ref={button} type="button" className={className} aria-haspopup="menu" aria-expanded={open} aria-controls={open ? id : undefined}
      aria-label={label} title={label} disabled={disabled} onClick={() => setOpen(!open)}
      onKeyDown={event => { if (event.key === "ArrowDown") { event.preventDefault(); setOpen(true); } }}>{children}</button>
    {open && createPortal(
      <div ref={list} id={id} className="menu" role="menu" aria-label={label} onKeyDown={keys}>
        {items.map((item, i) => (
          <button key={i} type="button" role={item.checked === undefined ? "menuitem" : "menuitemradio"} aria-checked={item.checked}
            className={item.danger ? "danger" : ""} disabled={item.disabled} tabIndex={-1} onClick={() => { close(true); item.run(); }}>
            {item.icon && <Icon name={item.icon} size={18} />}
            <span className="menu-text">{item.label}{item.detail && <small>{item.detail}</small>}</span>
            {item.checked && <Icon name="check" size={18} />}
          </button>
        ))}
      </div>, host)}
  </>;
}
