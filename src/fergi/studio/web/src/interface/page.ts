import "./theme.css";
import { drawn, element, fill, type Child } from "./element";
import { followLanguage, language, LANGUAGES, say, setLanguage, worded, type Language, type TextKey } from "./language";

type Theme = "light" | "dark";

const STORED_THEME = "fergi-theme";

/** The parts of a page that its own code fills. */
export interface Page {
  readonly main: HTMLElement;
  /** The middle of the bar on top. */
  readonly bar: HTMLElement;
}

/** Lays out a page: bar with language and light or dark, and room for what the page is for. */
export function openPage(title: TextKey): Page {
  showTheme(storedTheme());
  setLanguage(language());
  const main = element("main", { id: "main", tabindex: "-1" });
  const bar = element("div", { class: "bar-middle" });
  document.body.replaceChildren(
    element("a", { class: "skip", href: "#main" }, say("skip")),
    element("header", { class: "bar" }, brand(), bar, element("div", { class: "bar-end" }, languageChoice(), themeSwitch())),
    main,
  );
  followLanguage(() => {
    document.title = `fergi · ${worded(say(title))}`;
    return true;
  });
  return { main, bar };
}

/** Shows another content, and takes the reading place there. */
export function show(main: HTMLElement, ...children: Child[]): void {
  fill(main, ...children);
  window.scrollTo(0, 0);
  main.querySelector<HTMLElement>("h1, h2")?.setAttribute("tabindex", "-1");
  main.querySelector<HTMLElement>("h1, h2")?.focus({ preventScroll: true });
}

function brand(): HTMLElement {
  return element("a", { class: "brand", href: "/try" }, mark(), element("span", {}, "fergi"));
}

/** The sign of the project: a face whose smile is a curve that rises. */
function mark(): SVGElement {
  return drawn(
    "svg",
    { viewBox: "0 0 32 32", width: 28, height: 28, "aria-hidden": "true" },
    drawn("rect", { x: 1, y: 1, width: 30, height: 30, rx: 9, class: "mark-ground" }),
    drawn("circle", { cx: 11, cy: 12, r: 2, class: "mark-line" }),
    drawn("circle", { cx: 21, cy: 12, r: 2, class: "mark-line" }),
    drawn("path", { d: "M7 20 C 11 26, 18 26, 25 18", class: "mark-smile" }),
  );
}

function languageChoice(): HTMLElement {
  const choose = (event: Event): void => {
    setLanguage((event.target as HTMLSelectElement).value as Language);
  };
  const options = Object.entries(LANGUAGES).map(([tag, name]) =>
    element("option", { value: tag, lang: tag, selected: tag === language() }, name),
  );
  return element("select", { class: "quiet", "aria-label": say("language"), change: choose }, ...options);
}

function themeSwitch(): HTMLElement {
  const turn = (): void => {
    const theme = isDark() ? "light" : "dark";
    showTheme(theme);
    try {
      localStorage.setItem(STORED_THEME, theme);
    } catch {
      // Without storage the choice lasts as long as the page.
    }
  };
  const icon = drawn(
    "svg",
    { viewBox: "0 0 24 24", width: 20, height: 20, "aria-hidden": "true" },
    drawn("circle", { cx: 12, cy: 12, r: 8, class: "icon-line" }),
    drawn("path", { d: "M12 4 a8 8 0 0 1 0 16 z", class: "icon-fill" }),
  );
  return element("button", { type: "button", class: "quiet icon", "aria-label": say("theme"), click: turn }, icon);
}

function isDark(): boolean {
  const chosen = document.documentElement.dataset["theme"];
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function showTheme(theme: Theme | null): void {
  if (theme) document.documentElement.dataset["theme"] = theme;
}

function storedTheme(): Theme | null {
  try {
    const stored = localStorage.getItem(STORED_THEME);
    return stored === "dark" || stored === "light" ? stored : null;
  } catch {
    return null;
  }
}
