import type { HeadRatios } from "./face";

/** When a frame may be trusted: the paper's criteria, as in `fergi.stages.activation`. */
export const CRITERIA = {
  leastConfidence: 0.9,
  pitch: [0.55, 0.85],
  yaw: [0.3, 0.7],
} as const;

/** Tells whether a frame shows the face surely and frontally. */
export function isValid(confidence: number, ratios: HeadRatios): boolean {
  return confidence >= CRITERIA.leastConfidence && isFrontal(ratios);
}

/** Tells whether the face looks about straight ahead; the bounds themselves are valid. */
export function isFrontal({ pitch, yaw }: HeadRatios): boolean {
  return (
    pitch >= CRITERIA.pitch[0] && pitch <= CRITERIA.pitch[1] && yaw >= CRITERIA.yaw[0] && yaw <= CRITERIA.yaw[1]
  );
}
