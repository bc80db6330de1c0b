import type { Unit } from "../face/units";
import type { TextKey } from "./language";

/** Names the text that says what FACS calls a unit. */
export function unitMeaning(unit: Unit): TextKey {
  return `unit.${unit}`;
}

/** Tells whether a unit speaks for an image or against it, by the paper's own correlations. */
export function unitTone(unit: Unit): "above" | "below" | "neither" {
  if (unit === 12) return "above";
  return unit === 4 || unit === 9 ? "below" : "neither";
}

