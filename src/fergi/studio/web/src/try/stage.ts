import type { Camera } from "../camera/camera";
import { FrameRate } from "../camera/frames";
import type { Face } from "../face/face";
import { UNITS, type UnitValues } from "../face/units";
import { Curve } from "../interface/curve";
import { element } from "../interface/element";
import { drawFaceLines } from "../interface/face_lines";
import { Gauge } from "../interface/gauge";
import { say, worded, type TextKey } from "../interface/language";
import { unitMeaning, unitTone } from "../interface/unit_names";
import { VALENCES, type ValenceName, type Verdict } from "./verdict";

const SPAN_MILLISECONDS = 10_000;

/** What of the stage a person can do. */
export interface StageActions {
  readonly stop: () => void;
  readonly restart: () => void;
  readonly choose: (valence: ValenceName) => void;
}

/** The live part of the page: picture, gauge and curves. */
export class Stage {
  readonly element: HTMLElement;
  readonly #lines = element("canvas", { "aria-hidden": "true" });
  readonly #lanes = UNITS.map((unit) => new Lane(unit));
  readonly #gauge = new Gauge();
  readonly #verdict = element("p", { class: "soft small", "aria-live": "off" });
  readonly #speed = element("span", { class: "chip number" }, "–");
  readonly #sight = element("span", { class: "chip" }, "–");
  readonly #requests = element("span", { class: "chip good number" });
  readonly #rest = element("progress", { max: 1, value: 0, "aria-label": say("try.rest") });
  readonly #resting = element("div", { class: "resting" }, element("strong", {}, say("try.rest")), element("span", {}, say("try.rest-why")), this.#rest);
  readonly #rate = new FrameRate();

  constructor(
    private readonly camera: Camera,
    private readonly actions: StageActions,
  ) {
    this.element = element("div", { class: "stage" }, this.#left(), this.#right());
    this.countRequests(0);
  }

  /** Shows what was found in a frame. */
  see(time: number, face: Face | null, cost: number): void {
    this.#rate.add(time);
    drawFaceLines(this.#lines, face, this.camera.width, this.camera.height);
    this.#speed.textContent = worded(say("try.speed", { rate: Math.round(this.#rate.perSecond), cost: Math.round(cost) }));
    this.#sight.textContent = worded(say(face ? "try.face" : "try.no-face"));
    this.#sight.classList.toggle("good", face !== null);
  }

  /** Shows intensities of a moment; null where there are none. */
  plot(time: number, intensities: UnitValues | null): void {
    this.#lanes.forEach((lane, index) => {
      lane.show(time, intensities?.[index] ?? null);
    });
  }

  judge(verdict: Verdict): void {
    this.#gauge.set(verdict.share, verdict.number);
    this.#verdict.textContent = worded(verdict.meaning);
  }

  /** Shows how much of the resting time has passed; 1 ends it. */
  rest(share: number): void {
    this.#rest.value = share;
    this.#resting.hidden = share >= 1;
    if (share === 0) for (const lane of this.#lanes) lane.clear();
  }

  countRequests(count: number): void {
    this.#requests.textContent = worded(say("try.requests", { count }));
    this.#requests.dataset["count"] = String(count);
  }

  /** Frames a second that were looked at. */
  get perSecond(): number {
    return this.#rate.perSecond;
  }

  #left(): HTMLElement {
    const status = element("div", { class: "status" }, this.#sight, this.#speed, this.#requests);
    return element(
      "div",
      { class: "left" },
      element("section", { class: "picture", "aria-label": say("try.picture") }, this.camera.video, this.#lines, status, this.#resting),
      element("section", { class: "card said", "aria-label": say("try.valence") }, this.#gauge.element, this.#explained()),
    );
  }

  #explained(): HTMLElement {
    const choices = VALENCES.map(([name, key], index) =>
      element(
        "label",
        {},
        element("input", { type: "radio", name: "valence", value: name, checked: index === 0, change: () => { this.actions.choose(name); } }),
        element("span", {}, say(key)),
      ),
    );
    return element(
      "div",
      {},
      element("h2", {}, say("try.valence")),
      this.#verdict,
      element("fieldset", { class: "segments" }, element("legend", { class: "hidden-text" }, say("try.score")), ...choices),
      element(
        "div",
        { class: "actions" },
        element("button", { type: "button", class: "button", click: this.actions.restart }, say("try.again")),
        element("button", { type: "button", class: "button", click: this.actions.stop }, say("try.stop")),
      ),
    );
  }

  #right(): HTMLElement {
    return element(
      "section",
      { class: "card lanes-card", "aria-label": say("try.curves") },
      element("ul", { class: "lanes" }, ...this.#lanes.map((lane) => lane.element)),
      element("p", { class: "small soft lanes-foot" }, say("try.scale")),
    );
  }
}

/** One unit: its name, its curve and its value. */
class Lane {
  readonly element: HTMLElement;
  readonly #curve = new Curve(SPAN_MILLISECONDS);
  readonly #value = element("span", { class: "lane-value" }, "–");

  constructor(unit: (typeof UNITS)[number]) {
    const meaning: TextKey = unitMeaning(unit);
    this.element = element(
      "li",
      { class: `lane ${unitTone(unit)}` },
      element("div", { class: "lane-name" }, element("b", {}, `AU${unit}`), element("span", {}, say(meaning))),
      element("div", { class: "lane-curve" }, this.#curve.canvas),
      this.#value,
    );
  }

  show(time: number, value: number | null): void {
    this.#curve.add(time, value);
    this.#curve.draw(time);
    this.#value.textContent = value === null ? "–" : value.toFixed(1);
  }

  clear(): void {
    this.#curve.clear();
  }
}
