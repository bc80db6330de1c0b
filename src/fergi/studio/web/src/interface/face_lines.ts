import type { Face } from "../face/face";
import { OUTLINES } from "../face/landmarks";

/** Draws the mesh of a face over its picture. */
export function drawFaceLines(canvas: HTMLCanvasElement, face: Face | null, width: number, height: number): void {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  if (!context) return;
  context.clearRect(0, 0, width, height);
  if (!face) return;
  const unit = face.box[2] / 180;
  drawPoints(context, face.mesh, 0.9 * unit);
  drawOutlines(context, face.mesh, 1.5 * unit);
}

function drawPoints(context: CanvasRenderingContext2D, mesh: Float64Array, radius: number): void {
  const dots = new Path2D();
  for (let at = 0; at < mesh.length; at += 3)
    dots.rect((mesh[at] ?? 0) - radius / 2, (mesh[at + 1] ?? 0) - radius / 2, radius, radius);
  context.fillStyle = "rgb(255 255 255 / 55%)";
  context.fill(dots);
}

function drawOutlines(context: CanvasRenderingContext2D, mesh: Float64Array, width: number): void {
  const lines = new Path2D();
  for (const outline of OUTLINES)
    outline.forEach((point, index) => {
      const [x, y] = [mesh[3 * point] ?? 0, mesh[3 * point + 1] ?? 0];
      if (index === 0) lines.moveTo(x, y);
      else lines.lineTo(x, y);
    });
  context.strokeStyle = "rgb(111 231 211 / 90%)";
  context.lineWidth = width;
  context.lineJoin = "round";
  context.stroke(lines);
}
