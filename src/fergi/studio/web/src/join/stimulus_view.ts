import { drawn, element } from "../interface/element";
import type { Stimulus } from "../studio/messages";

/** A stimulus that can be painted at once. */
export interface StimulusView {
  readonly element: HTMLElement;
  /** To be called when it is shown: videos and sounds begin. */
  readonly begin: () => Promise<void>;
  /** To be called when its time is over: videos and sounds stop, and can be played again. */
  readonly rest: () => void;
}

/**
 * Prepares a stimulus, so that showing it takes no time.
 *
 * @param file What the studio gave; its address is one of this page's own.
 */
export async function preparedStimulus(stimulus: Stimulus, file: Blob, label: string): Promise<StimulusView> {
  const still = { begin: (): Promise<void> => Promise.resolve(), rest: (): void => undefined };
  if (stimulus.kind === "text") return { element: element("div", { class: "stimulus-text", tabindex: "0" }, await file.text()), ...still };
  const address = URL.createObjectURL(file);
  if (stimulus.kind === "image") {
    const image = element("img", { src: address, alt: label, class: "stimulus" });
    await image.decode();
    return { element: image, ...still };
  }
  const media = element(stimulus.kind, { src: address, class: "stimulus", preload: "auto", "aria-label": label, playsinline: true });
  await new Promise((resolve, reject) => {
    media.addEventListener("canplaythrough", resolve, { once: true });
    media.addEventListener("error", reject, { once: true });
  });
  return playedView(media);
}

function playedView(media: HTMLMediaElement): StimulusView {
  return {
    element: media.tagName === "AUDIO" ? element("div", { class: "stimulus-sound" }, note(), media) : media,
    begin: async () => {
      // A browser that does not let it begin by itself lets the person.
      await media.play().catch(() => (media.controls = true));
    },
    rest: () => {
      media.pause();
      media.controls = true;
    },
  };
}

function note(): SVGElement {
  return drawn(
    "svg",
    { viewBox: "0 0 64 64", class: "note", "aria-hidden": "true" },
    drawn("path", { d: "M24 46 V14 L50 9 V41", class: "icon-line" }),
    drawn("circle", { cx: 17, cy: 46, r: 7, class: "icon-fill" }),
    drawn("circle", { cx: 43, cy: 41, r: 7, class: "icon-fill" }),
  );
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
