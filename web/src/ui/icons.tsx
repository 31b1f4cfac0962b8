// The page's icons: strokes in the text's colour, hidden from screen readers (the button has the name).
import type {ReactNode} from "react";

const paths = {
  menu: <path d="M4 7h16M4 12h16M4 17h16" />,
  close: <path d="M6 6l12 12M18 6L6 18" />,
  plus: <path d="M12 5v14M5 12h14" />,
  search: <><circle cx="11" cy="11" r="6" /><path d="M20 20l-4.5-4.5" /></>,
  chat: <path d="M5 5h14a1 1 0 0 1 1 1v9a1 1 0 0 1-1 1h-8l-4 4v-4H5a1 1 0 0 1-1-1V6a1 1 0 0 1 1-1z" />,
  edit: <path d="M4 20h4L19 9l-4-4L4 16zM13 7l4 4" />,
  trash: <path d="M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10 11v5M14 11v5" />,
  pin: <path d="M9 4h6l-1 6 3 3v2H7v-2l3-3zM12 15v5" />,
  more: <><circle cx="6" cy="12" r="1" /><circle cx="12" cy="12" r="1" /><circle cx="18" cy="12" r="1" /></>,
  send: <path d="M12 20V5M6 11l6-6 6 6" />,
  stop: <rect x="7" y="7" width="10" height="10" rx="1.5" fill="currentColor" />,
  attach: <path d="M20 11l-8.5 8.5a5 5 0 0 1-7-7L13 4a3.3 3.3 0 0 1 5 5l-8.500 8.500a1.700 1.700 0 0 1-2.500-2.500L15 7" />,
  copy: <><rect x="9" y="9" width="11" height="11" rx="2" /><path d="M15 9V6a2 2 0 0 0-2-2H6a2 2 0 0 0-2 2v7a2 2 0 0 0 2 2h3" /></>,
  check: <path d="M5 12.500l4.500 4.500L19 7.500" />,
  again: <path d="M19 12a7 7 0 1 1-2-5l2 2M19 4v5h-5" />,
  up: <path d="M7 11v9H4v-9zM7 11l4-8c2 0 2.500 1.500 2.500 3l-.5 4h5.500c1.500 0 2 1 1.700 2.300l-1.500 6c-.3 1.100-1 1.700-2 1.700H7" />,
  down: <path d="M17 13V4h3v9zM17 13l-4 8c-2 0-2.500-1.500-2.500-3l.5-4H5.500c-1.500 0-2-1-1.700-2.300l1.500-6C5.600 4.600 6.300 4 7.300 4H17" />,
  left: <path d="M14 6l-6 6 6 6" />,
  right: <path d="M10 6l6 6-6 6" />,
  chevron: <path d="M6 9l6 6 6-6" />,
  sliders: <><path d="M4 7h9M17 7h3M4 12h3M11 12h9M4 17h11M19 17h1" /><circle cx="15" cy="7" r="2" /><circle cx="9" cy="12" r="2" /><circle cx="17" cy="17" r="2" /></>,
  info: <><circle cx="12" cy="12" r="8.500" /><path d="M12 11v5M12 8v.01" /></>,
  settings: <><circle cx="12" cy="12" r="3" /><path d="M12 3v3M12 18v3M3 12h3M18 12h3M5.600 5.600l2.100 2.100M16.300 16.300l2.100 2.100M5.600 18.400l2.100-2.100M16.300 7.700l2.100-2.100" /></>,
  people: <><circle cx="9" cy="9" r="3" /><path d="M3.500 19c.5-3.500 2.500-5 5.500-5s5 1.500 5.500 5M15.500 6.500a3 3 0 0 1 0 5.500M17 14.500c2 .7 3.100 2.200 3.500 4.500" /></>,
  studio: <path d="M4 6h10M4 12h7M4 18h5M14 18l6-6-2-2-6 6v2z" />,
  review: <><path d="M12 16h-1l-4 4v-4H5a1 1 0 0 1-1-1V6a1 1 0 0 1 1-1h14a1 1 0 0 1 1 1v3" /><circle cx="16.500" cy="14.500" r="3" /><path d="M21 19l-2.300-2.300" /></>,
  run: <path d="M4 19h16M6 16l4-5 3 3 5-8" />,
  blind: <path d="M4 5h7v14H4zM13 5h7v14h-7z" />,
  out: <path d="M10 4H5v16h5M14 8l4 4-4 4M18 12H9" />,
  download: <path d="M12 4v11M7 11l5 5 5-5M5 20h14" />,
  upload: <path d="M12 16V5M7 9l5-5 5 5M5 20h14" />,
  file: <path d="M7 3h7l4 4v14H7zM14 3v4h4" />,
  flag: <path d="M6 21V4M6 5h11l-2 4 2 4H6" />,
  external: <path d="M13 5h6v6M19 5l-9 9M17 14v5H5V7h5" />,
  warning: <path d="M12 4l9 16H3zM12 10v5M12 17.500v.01" />,
} satisfies Record<string, ReactNode>;

export type IconName = keyof typeof paths;
export function Icon({name, size = 20}: {name: IconName; size?: number}) {
  return (
    <svg className="icon" viewBox="0 0 24 24" width={size} height={size} aria-hidden="true" focusable="false" fill="none"
      stroke="currentColor" strokeWidth="1.8" strokeLinecap="round" strokeLinejoin="round">{paths[name]}</svg>
  );
}
