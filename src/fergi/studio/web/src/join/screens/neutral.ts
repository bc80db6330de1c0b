import { drawn, element } from "../../interface/element";
import { say } from "../../interface/language";
import { show } from "../../interface/page";
import type { CameraExtension } from "../camera_extension";
import { elapsed, whileRecorded, type Pause } from "../pause";
import type { Screen } from "../screen_plugin";

/** Explains the neutral recording, and waits until the person is ready. */
export function neutralIntroduction(seconds: number): Screen {
  return (display, ready) =>
    new Promise((done) => {
      const go = element("button", { type: "button", class: "primary large", click: () => { done({}); } }, say("neutral.go"));
      show(
        display,
        element("div", { class: "centred" }, cross(), element("h1", {}, say("neutral.title")), element("p", {}, say("neutral.text", { seconds })), go),
      );
      ready();
    });
}

/** Records a face at rest: the person looks at a cross while a ring closes. */
export function neutralScreen(seconds: number, camera: () => CameraExtension, pause: Pause): Screen {
  return async (display, ready) => {
    const ring = drawn("circle", { cx: 60, cy: 60, r: 52, class: "ring", pathLength: 1 });
    const drawing = drawn("svg", { viewBox: "0 0 120 120", class: "rest-drawing", "aria-hidden": "true" }, drawn("circle", { cx: 60, cy: 60, r: 52, class: "ring-ground" }), ring, plus());
    show(display, element("div", { class: "centred" }, drawing, element("p", { class: "soft", role: "status" }, say("neutral.now"))));
    ready();
    const isDone = await whileRecorded(camera(), pause, () => {
      close(ring, seconds);
      return elapsed(seconds);
    });
    return { isDone };
  };
}

/** Waits until the recording has been looked at; asks for another where no face at rest was found. */
export function neutralCheck(isFound: () => Promise<boolean>): Screen {
  return async (display, ready) => {
    show(display, element("div", { class: "centred" }, element("div", { class: "spinner", "aria-hidden": "true" }), element("p", { role: "status" }, say("neutral.wait"))));
    ready();
    if (await isFound()) return { isDone: true };
    const again = element("button", { type: "button", class: "primary large" }, say("neutral.again"));
    show(display, element("div", { class: "centred" }, element("h1", {}, say("neutral.missed")), element("p", {}, say("neutral.missed-text")), again));
    await new Promise((resolve) => {
      again.addEventListener("click", resolve, { once: true });
    });
    return { isDone: false };
  };
}

/** Closes a ring evenly, or second by second for whoever wants less motion. */
function close(ring: SVGElement, seconds: number): void {
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const easing = isCalm ? `steps(${Math.ceil(seconds)})` : "linear";
  ring.animate([{ strokeDashoffset: 1 }, { strokeDashoffset: 0 }], { duration: 1000 * seconds, easing, fill: "forwards" });
}

function cross(): SVGElement {
  return drawn("svg", { viewBox: "0 0 120 120", class: "rest-drawing", "aria-hidden": "true" }, drawn("circle", { cx: 60, cy: 60, r: 52, class: "ring-ground" }), plus());
}

function plus(): SVGElement {
  return drawn("path", { d: "M60 50 V70 M50 60 H70", class: "plus" });
}
