/** Greatest intensity on the FACS scale. */
export const HIGHEST = 5;

/** A point of a curve: milliseconds, and an intensity or null where there is none. */
export type CurvePoint = readonly [time: number, value: number | null];

/** Draws an intensity over time, newest on the right, on a canvas of any size. */
export class Curve {
  readonly canvas = document.createElement("canvas");
  readonly #points: CurvePoint[] = [];

  /**
   * @param span Milliseconds that are seen at once.
   */
  constructor(private readonly span: number) {
    this.canvas.setAttribute("aria-hidden", "true");
  }

  add(time: number, value: number | null): void {
    this.#points.push([time, value]);
    while ((this.#points[0]?.[0] ?? time) < time - this.span - 500) this.#points.shift();
  }

  clear(): void {
    this.#points.length = 0;
  }

  draw(now: number): void {
    const context = sizedContext(this.canvas);
    if (!context) return;
    const { width, height } = this.canvas;
    drawCurve(context, this.#points, {
      x: (time) => width * (1 - (now - time) / this.span),
      y: (value) => height * (0.94 - 0.88 * Math.min(value / HIGHEST, 1)),
      base: height,
    });
  }
}

/** Where times and values lie on a canvas. */
export interface CurvePlace {
  readonly x: (time: number) => number;
  readonly y: (value: number) => number;
  readonly base: number;
}

/** Draws a line with a fading ground below, in the colour of the canvas. */
export function drawCurve(context: CanvasRenderingContext2D, points: readonly CurvePoint[], place: CurvePlace): void {
  const colour = getComputedStyle(context.canvas).color;
  for (const run of unbrokenRuns(points)) {
    const line = new Path2D();
    run.forEach(([time, value], index) => {
      if (index === 0) line.moveTo(place.x(time), place.y(value));
      else line.lineTo(place.x(time), place.y(value));
    });
    const area = new Path2D(line);
    area.lineTo(place.x(run.at(-1)?.[0] ?? 0), place.base);
    area.lineTo(place.x(run[0]?.[0] ?? 0), place.base);
    context.fillStyle = colour;
    context.globalAlpha = 0.14;
    context.fill(area);
    context.globalAlpha = 1;
    context.strokeStyle = colour;
    context.lineWidth = 2 * devicePixelRatio;
    context.lineJoin = "round";
    context.stroke(line);
  }
}

/** Fits a canvas to the place it has on the page, and clears it. */
export function sizedContext(canvas: HTMLCanvasElement): CanvasRenderingContext2D | null {
  const width = Math.round(canvas.clientWidth * devicePixelRatio);
  const height = Math.round(canvas.clientHeight * devicePixelRatio);
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  context?.clearRect(0, 0, width, height);
  return context;
}

function unbrokenRuns(points: readonly CurvePoint[]): [number, number][][] {
  const runs: [number, number][][] = [[]];
  for (const [time, value] of points) {
    if (value === null) runs.push([]);
    else runs.at(-1)?.push([time, value]);
  }
  return runs.filter((run) => run.length > 1);
}
