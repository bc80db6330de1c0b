import { element } from "../interface/element";
import type { Wording } from "../interface/language";
import type { StimulusKind } from "../studio/messages";

interface StimulusSeen {
  readonly kind: StimulusKind;
  readonly address: string;
}

/** What a participant saw, heard or read. */
export function stimulusThumb({ kind, address }: StimulusSeen, name: Wording): HTMLElement {
  if (kind === "image") return element("div", { class: "thumb" }, element("img", { src: address, alt: name, loading: "lazy" }));
  if (kind === "text") {
    const text = element("p", { class: "small" });
    void fetch(address).then(async (response) => (text.textContent = await response.text()));
    return element("div", { class: "thumb read" }, text);
  }
  return element("div", { class: "thumb" }, element(kind, { src: address, controls: true, preload: "metadata", "aria-label": name }));
}
