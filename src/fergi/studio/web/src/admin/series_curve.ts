import { drawCurve, HIGHEST, sizedContext } from "../interface/curve";

/** A unit over a whole clip: what is not valid is shaded, the onset and the moment are lines. */
export class SeriesCurve {
  readonly canvas = document.createElement("canvas");

  constructor(
    private readonly times: readonly number[],
    private readonly values: readonly (number | null)[],
    private readonly isValid: readonly boolean[] | null,
    private readonly onset: number | null,
    private readonly seconds: number,
  ) {
    this.canvas.setAttribute("aria-hidden", "true");
  }

  /** Draws it with a line at a moment. */
  show(moment: number): void {
    const context = sizedContext(this.canvas);
    if (!context) return;
    const { width, height } = this.canvas;
    const x = (time: number): number => (width * time) / this.seconds;
    this.#shade(context, x);
    drawCurve(context, this.times.map((time, index) => [time, this.values[index] ?? null]), {
      x,
      y: (value) => height * (0.95 - 0.9 * Math.min(1, Math.max(0, value) / HIGHEST)),
      base: height,
    });
    if (this.onset !== null && this.onset > 0) line(context, x(this.onset), [4, 4]);
    line(context, x(moment), []);
  }

  /** Tells which moment lies below a pointer. */
  timeAt(event: PointerEvent): number {
    return (this.seconds * event.offsetX) / this.canvas.clientWidth;
  }

  #shade(context: CanvasRenderingContext2D, x: (time: number) => number): void {
    context.fillStyle = "rgb(128 128 128 / 20%)";
    this.times.forEach((time, index) => {
      if (this.isValid?.[index] !== false) return;
      const end = this.times[index + 1] ?? this.seconds;
      context.fillRect(x(time), 0, Math.max(1, x(end) - x(time)), context.canvas.height);
    });
  }
}

function line(context: CanvasRenderingContext2D, x: number, dashes: number[]): void {
  context.strokeStyle = "rgb(128 128 128 / 85%)";
  context.lineWidth = 1.5 * devicePixelRatio;
  context.setLineDash(dashes.map((dash) => dash * devicePixelRatio));
  context.beginPath();
  context.moveTo(x, 0);
  context.lineTo(x, context.canvas.height);
  context.stroke();
  context.setLineDash([]);
}
