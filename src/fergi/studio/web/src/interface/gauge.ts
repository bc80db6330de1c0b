import { drawn, element } from "./element";
import "./gauge.css";

const CENTRE = 120;
const RADIUS = 96;
const TICKS = 41;

/** A half round of ticks from dislike to like, and a needle. */
export class Gauge {
  readonly element: HTMLElement;
  readonly #needle: SVGElement;
  readonly #ticks: SVGElement[];
  readonly #number = element("strong", { class: "gauge-number" }, "–");

  constructor() {
    this.#ticks = Array.from({ length: TICKS }, (_, index) => tick(index / (TICKS - 1)));
    this.#needle = drawn("path", { class: "gauge-needle", d: `M${CENTRE} ${CENTRE - 62} L${CENTRE + 5} ${CENTRE} L${CENTRE - 5} ${CENTRE} Z` });
    const drawing = drawn(
      "svg",
      { viewBox: "0 0 240 132", "aria-hidden": "true", class: "gauge-drawing" },
      ...this.#ticks,
      this.#needle,
      drawn("circle", { cx: CENTRE, cy: CENTRE, r: 8, class: "gauge-pin" }),
    );
    this.element = element("div", { class: "gauge" }, drawing, this.#number);
    this.set(0.5, "–");
  }

  /**
   * Points to a place.
   *
   * @param share 0 for the left end, 1 for the right.
   * @param number What stands below.
   */
  set(share: number, number: string): void {
    const bounded = Math.min(1, Math.max(0, share));
    this.#needle.setAttribute("transform", `rotate(${(180 * bounded - 90).toFixed(1)} ${CENTRE} ${CENTRE})`);
    this.#ticks.forEach((line, index) => {
      const place = index / (TICKS - 1);
      const isLit = place >= Math.min(0.5, bounded) - 0.001 && place <= Math.max(0.5, bounded) + 0.001;
      line.classList.toggle("lit", isLit);
    });
    this.#number.textContent = number;
  }
}

function tick(place: number): SVGElement {
  const angle = Math.PI * (1 - place);
  const [x, y] = [Math.cos(angle), -Math.sin(angle)];
  const inner = RADIUS - (place === 0.5 ? 22 : 15);
  return drawn("line", {
    x1: CENTRE + inner * x,
    y1: CENTRE + inner * y,
    x2: CENTRE + RADIUS * x,
    y2: CENTRE + RADIUS * y,
    class: `gauge-tick ${place < 0.5 ? "below" : "above"}`,
  });
}
