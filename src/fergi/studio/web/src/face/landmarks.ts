import type { HeadRatios } from "./face";

/** Mesh points of the 68 landmarks, as in `fergi.stages.perception.landmarks`. */
const POINTS: readonly number[] = [
  [162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389], // jaw
  [71, 63, 105, 66, 107], // brow on the left of the picture
  [336, 296, 334, 293, 301], // the other brow
  [168, 197, 5, 4], // bridge of the nose
  [75, 97, 2, 326, 305], // nostrils
  [33, 160, 158, 133, 153, 144], // eye on the left of the picture
  [362, 385, 387, 263, 373, 380], // the other eye
  [61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181], // outer edge of the lips
  [78, 82, 13, 312, 308, 317, 14, 87], // inner edge of the lips
].flat();

const LEFT_EDGE = 0;
const RIGHT_EDGE = 16;
const NOSTRILS = [31, 36] as const;
const LEFT_EYE = [36, 42] as const;
const RIGHT_EYE = [42, 48] as const;
const MOUTH_CORNERS = [48, 54] as const;

type Point = readonly [x: number, y: number];

/** Outlines of the face for drawing, as runs of mesh points. */
export const OUTLINES: readonly (readonly number[])[] = [
  [10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152,
    148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109, 10],
  [70, 63, 105, 66, 107, 55, 65, 52, 53, 46, 70],
  [336, 296, 334, 293, 300, 276, 283, 282, 295, 285, 336],
  [33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7, 33],
  [362, 398, 384, 385, 386, 387, 388, 466, 263, 249, 390, 373, 374, 380, 381, 382, 362],
  [61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146, 61],
  [78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95, 78],
  [168, 6, 197, 195, 5, 4],
  [98, 97, 2, 326, 327],
];

/** Tells from the mesh how far a head is turned, as `fergi.records.landmarks.head_ratios` does. */
export function headRatios(mesh: Float64Array): HeadRatios {
  const point = (landmark: number): Point => {
    const at = 3 * (POINTS[landmark] ?? 0);
    return [mesh[at] ?? NaN, mesh[at + 1] ?? NaN];
  };
  const middle = ([first, end]: readonly [number, number]): Point =>
    mean(Array.from({ length: end - first }, (_, index) => point(first + index)));
  const leftEye = middle(LEFT_EYE);
  const rightEye = middle(RIGHT_EYE);
  const origin = mean([leftEye, rightEye]);
  const toMouth = difference(mean(MOUTH_CORNERS.map(point)), origin);
  // Down from the eyes, turned by a right angle, also says where across is.
  const eyes = difference(rightEye, leftEye);
  const across = unit([eyes[0] + toMouth[1], eyes[1] - toMouth[0]]);
  const down: Point = [-across[1], across[0]];
  const left = dot(difference(leftEye, point(LEFT_EDGE)), across);
  const right = dot(difference(point(RIGHT_EDGE), rightEye), across);
  const height = dot(difference(middle(NOSTRILS), origin), down);
  return { pitch: height / dot(eyes, across), yaw: left / (left + right) };
}

function mean(points: readonly Point[]): Point {
  const [x, y] = points.reduce<[number, number]>((sum, [px, py]) => [sum[0] + px, sum[1] + py], [0, 0]);
  return [x / points.length, y / points.length];
}

function difference(a: Point, b: Point): Point {
  return [a[0] - b[0], a[1] - b[1]];
}

function dot(a: Point, b: Point): number {
  return a[0] * b[0] + a[1] * b[1];
}

function unit([x, y]: Point): Point {
  const length = Math.hypot(x, y);
  return [x / length, y / length];
}
