import type { UnitValues } from "../face/units";
import { au4Au12Valence, au4Valence, sigmoid, type Valence } from "../face/valence";
import { say, type TextKey, type Wording } from "../interface/language";

export type ValenceName = "fau-net" | "au4-au12" | "au4";

export const VALENCES: readonly (readonly [ValenceName, TextKey])[] = [
  ["fau-net", "try.fau-net"],
  ["au4-au12", "try.au4-au12"],
  ["au4", "try.au4"],
];

/** What the gauge shows. */
export interface Verdict {
  /** Place on the gauge, 0 to 1; a still face is in the middle. */
  readonly share: number;
  readonly number: string;
  readonly meaning: Wording;
}

/** Judges activation values by one of the three scores of the paper. */
export function verdict(name: ValenceName, activations: UnitValues, fauNet: Valence): Verdict {
  if (name === "fau-net") return preferenceVerdict(activations, fauNet);
  const isBoth = name === "au4-au12";
  const value = isBoth ? au4Au12Valence(activations) : au4Valence(activations);
  return {
    // Smile against frown goes from −½ to ½, the frown alone from −1 to 0.
    share: 0.5 + (isBoth ? value : value / 2),
    number: value.toFixed(2).replace("-", "−"),
    meaning: say(isBoth ? "try.au4-au12-means" : "try.au4-means"),
  };
}

/** FAU-Net's differences are log odds, so against a still face they give a probability. */
function preferenceVerdict(activations: UnitValues, fauNet: Valence): Verdict {
  const still = activations.map(() => 0);
  const probability = sigmoid(fauNet(activations) - fauNet(still));
  return { share: probability, number: `${Math.round(100 * probability)} %`, meaning: say("try.fau-net-means") };
}
