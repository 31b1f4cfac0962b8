import type {ButtonHTMLAttributes, Ref} from "react";
import {Icon, type IconName} from "./icons";
import {Spinner} from "./Spinner";

export interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  kind?: "plain" | "primary" | "danger" | "quiet";
  icon?: IconName;
  busy?: boolean; // shows that it works, and takes no second press
  ref?: Ref<HTMLButtonElement>;
}
export function Button({kind = "plain", icon, busy = false, className = "", children, disabled, type = "button", ...rest}: ButtonProps) {
  return (
    <button type={type} className={`button ${kind} ${className}`} disabled={disabled || busy} aria-busy={busy || undefined} {...rest}>
      {busy ? <Spinner small /> : icon && <Icon name={icon} size={18} />}
      {children}
    </button>
  );
}

export interface IconButtonProps extends Omit<ButtonHTMLAttributes<HTMLButtonElement>, "children"> {
  icon: IconName;
  label: string; // its name, and its tooltip
  size?: number;
  ref?: Ref<HTMLButtonElement>;
}
export function IconButton({icon, label, size = 20, className = "", type = "button", ...rest}: IconButtonProps) {
  return (
    <button type={type} className={`icon-button ${className}`} aria-label={label} title={label} {...rest}>
      <Icon name={icon} size={size} />
    </button>
  );
}
