// The page's texts, English and Chinese side by side, one file per area. A text that one language lacks does not compile.
// Placeholders are {name}, filled by fill(); {name|file|files} is the first word where the value is 1, else the second
// (English; Chinese has no plural).
import {createContext, useContext} from "react";

export type Language = "en" | "zh";
export interface Area<T> {
  en: T;
  zh: T;
}
export function area<K extends string>(en: Record<K, string>, zh: Record<NoInfer<K>, string>): Area<Record<K, string>> {
  return {en, zh};
}

export const LanguageContext = createContext<Language>("en");
export function useLanguage(): Language {
  return useContext(LanguageContext);
}
// const t = useText(chat); t.send
export function useText<T>(texts: Area<T>): T {
  return texts[useLanguage()];
}

export function fill(text: string, values: Record<string, string | number>): string {
  return text.replace(/\{(\w+)(?:\|([^|}]*)\|([^}]*))?\}/g, (all, name: string, one?: string, more?: string) => {
    const value = values[name];
    if (value === undefined) return all;
    return one === undefined || more === undefined ? String(value) : String(value) === "1" ? one : more;
  });
}

export function browserLanguage(): Language {
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

// "in 5 min", "yesterday", "3 Mar": as a list wants it.
export function when(seconds: number, language: Language, now = Date.now() / 1000): string {
  const ago = now - seconds;
  const relative = new Intl.RelativeTimeFormat(language, {numeric: "auto", style: "short"});
  if (Math.abs(ago) < 45) return relative.format(0, "second");
  if (Math.abs(ago) < 3600) return relative.format(-Math.round(ago / 60), "minute");
  if (Math.abs(ago) < 22 * 3600) return relative.format(-Math.round(ago / 3600), "hour");
  if (Math.abs(ago) < 6.5 * 86400) return relative.format(-Math.round(ago / 86400), "day");
  return date(seconds, language);
}
export function date(seconds: number, language: Language): string {
  return new Intl.DateTimeFormat(language, {dateStyle: "medium"}).format(seconds * 1000);
}
export function dateTime(seconds: number, language: Language): string {
  return new Intl.DateTimeFormat(language, {dateStyle: "medium", timeStyle: "short"}).format(seconds * 1000);
}
export function count(n: number, language: Language): string {
  return new Intl.NumberFormat(language).format(n);
}
