import type { Sighting } from "../face/face";
import { isFrontal } from "../face/validity";
import type { TextKey } from "../interface/language";
import type { Camera } from "./camera";

/** Something that a person can put right, or that is right. */
export interface Hint {
  readonly key: TextKey;
  readonly state: "good" | "bad";
}

/** Shares of the picture's width that a face takes, from too far to too near. */
const FACE_WIDTHS = [0.14, 0.55] as const;

/** Luminance of a face, from too dark to too bright. */
const LIGHTS = [0.2, 0.88] as const;

/** Below this, quick expressions are lost. */
const LEAST_FRAME_RATE = 12;

/** Says what is well and what is not, of face, distance, direction, light and frame rate. */
export function hintsOf(sighting: Sighting | null, camera: Camera, frameRate: number): Hint[] {
  const rate = hint(frameRate >= LEAST_FRAME_RATE, "check.rate", "check.rate-low");
  if (!sighting) return [rate];
  const { face, ratios } = sighting;
  if (!face || !ratios) return [{ key: "check.face-none", state: "bad" }, rate];
  const [x, y, width, height] = face.box;
  const isInside = x >= 0 && y >= 0 && x + width <= camera.width && y + height <= camera.height;
  return [
    hint(isInside, "check.face", "check.face-cut"),
    distanceHint(width / camera.width),
    hint(isFrontal(ratios), "check.frontal", "check.frontal-not"),
    lightHint(face.light),
    rate,
  ];
}

function distanceHint(share: number): Hint {
  if (share < FACE_WIDTHS[0]) return { key: "check.far", state: "bad" };
  return hint(share <= FACE_WIDTHS[1], "check.distance", "check.near");
}

function lightHint(light: number): Hint {
  if (light < LIGHTS[0]) return { key: "check.dark", state: "bad" };
  return hint(light <= LIGHTS[1], "check.light", "check.bright");
}

function hint(isGood: boolean, good: TextKey, bad: TextKey): Hint {
  return isGood ? { key: good, state: "good" } : { key: bad, state: "bad" };
}
