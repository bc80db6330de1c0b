import { element, type Child } from "../interface/element";
import { language, say, type Wording } from "../interface/language";

/** A number and what it is. */
export function fact(number: string | number, name: Wording): HTMLElement {
  return element("div", { class: "fact" }, element("b", {}, String(number)), element("span", {}, name));
}

export function facts(...all: HTMLElement[]): HTMLElement {
  return element("div", { class: "facts" }, ...all);
}

/** A share as a bar and a number; what it is not known for is a dash. */
export function shareBar(share: number | null, name: Wording, isMoreBetter = true): HTMLElement {
  if (share === null) return element("span", { class: "soft" }, "–");
  const goodness = isMoreBetter ? share : 1 - share;
  const state = goodness >= 0.8 ? "good" : goodness >= 0.5 ? "fair" : "poor";
  return element(
    "span",
    { class: `share ${state}` },
    element("meter", { min: 0, max: 1, value: share, "aria-label": name }),
    element("span", { class: "number" }, percent(share)),
  );
}

export function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}

/** A moment as people of the page's language write it. */
export function moment(time: string): string {
  return new Date(time).toLocaleString(language(), { dateStyle: "medium", timeStyle: "short" });
}

export function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0);
}

/** A table with a caption for screen readers. */
export function table(caption: Wording, heads: readonly Wording[], rows: readonly (readonly Child[])[]): HTMLElement {
  const head = element("tr", {}, ...heads.map((title) => element("th", { scope: "col" }, title)));
  const body = rows.map((cells) => element("tr", {}, ...cells.map((cell) => element("td", {}, cell))));
  return element(
    "div",
    { class: "table", tabindex: "0", role: "region", "aria-label": caption },
    element("table", {}, element("caption", { class: "hidden-text" }, caption), element("thead", {}, head), element("tbody", {}, ...body)),
    rows.length === 0 ? element("p", { class: "soft empty" }, say("admin.none")) : null,
  );
}
