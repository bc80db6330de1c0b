import { element } from "../interface/element";
import type { Stimulus } from "../studio/messages";

/** A stimulus that can be painted at once. */
export interface StimulusView {
  readonly element: HTMLElement;
  /** To be called when it is shown: videos and sounds begin. */
  readonly begin: () => Promise<void>;
}

/**
 * Prepares a stimulus, so that showing it takes no time.
 *
 * @param file What the studio gave; its address is one of this page's own.
 */
export async function preparedStimulus(stimulus: Stimulus, file: Blob, label: string): Promise<StimulusView> {
  const nothing = (): Promise<void> => Promise.resolve();
  if (stimulus.kind === "text") return { element: element("div", { class: "stimulus-text" }, await file.text()), begin: nothing };
  const address = URL.createObjectURL(file);
  if (stimulus.kind === "image") {
    const image = element("img", { src: address, alt: label, class: "stimulus" });
    await image.decode();
    return { element: image, begin: nothing };
  }
  const media = element(stimulus.kind, { src: address, class: "stimulus", preload: "auto", "aria-label": label, playsinline: true });
  await new Promise((resolve, reject) => {
    media.addEventListener("canplaythrough", resolve, { once: true });
    media.addEventListener("error", reject, { once: true });
  });
  return { element: media, begin: () => media.play() };
}

/**
 * Does something that changes the page, and waits until it has been painted.
 *
 * @returns When the browser painted it: the beginning of the first frame after, in the clock of
 *     `performance.now()`.
 */
export function painted(change: () => void): Promise<number> {
  return new Promise((resolve) => {
    requestAnimationFrame(() => {
      change();
      requestAnimationFrame((time) => {
        resolve(time);
      });
    });
  });
}
