import { en } from "./texts/en";
import { zh } from "./texts/zh";

export const LANGUAGES = { en: "English", zh: "中文" } as const;
export type Language = keyof typeof LANGUAGES;
export type TextKey = keyof typeof en;
export type TextValues = Readonly<Record<string, string | number | Wording>>;

/** A text that follows the language of the page. */
export interface Wording {
  readonly key: TextKey;
  readonly values: TextValues;
}

const STORED = "fergi-language";
const texts: Record<Language, Readonly<Record<TextKey, string>>> = { en, zh };
const followers = new Set<() => boolean>();
let current: Language = firstLanguage();

/** The language of the page. */
export function language(): Language {
  return current;
}

/** Names a text of the interface. */
export function say(key: TextKey, values: TextValues = {}): Wording {
  return { key, values };
}

export function isWording(value: unknown): value is Wording {
  return typeof value === "object" && value !== null && "key" in value && "values" in value;
}

/** Gives a text in the language of the page; `{name}` stands for a value. */
export function worded({ key, values }: Wording): string {
  return texts[current][key].replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name] ?? "";
    return isWording(value) ? worded(value) : String(value);
  });
}

/** Calls back now and whenever the language changes, until it answers false. */
export function followLanguage(follow: () => boolean): void {
  if (follow()) followers.add(follow);
}

export function setLanguage(chosen: Language): void {
  current = chosen;
  document.documentElement.lang = chosen === "zh" ? "zh-Hans" : chosen;
  try {
    localStorage.setItem(STORED, chosen);
  } catch {
    // Without storage the choice lasts as long as the page.
  }
  for (const follow of followers) if (!follow()) followers.delete(follow);
}

/** Chooses the text of the page's language among those that a study gives, else its first. */
export function ofLanguage(given: Readonly<Partial<Record<string, string>>>): string {
  return given[current] ?? Object.values(given)[0] ?? "";
}

function firstLanguage(): Language {
  const wished = [storedLanguage(), ...navigator.languages].map((tag) => tag?.slice(0, 2).toLowerCase());
  return (wished.find((tag) => tag !== undefined && tag in LANGUAGES) ?? "en") as Language;
}

function storedLanguage(): string | null {
  try {
    return localStorage.getItem(STORED);
  } catch {
    return null;
  }
}
