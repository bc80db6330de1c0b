import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { au4Au12Valence, au4Valence, fauNetValence } from "../src/face/valence";

const weights = resolve(import.meta.dirname, "../../../weights/shipped/fau-net.safetensors");

/** Activation values, and what `fergi.stages.valence` makes of them. */
const STILL = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const FROWN = [0.5, 0.25, 2, 0, 0, 1, 0, 0.75, 0.5, 0, 0, 0.125];
const SMILE = [0, 0.5, 0, 0, 2.5, 0, 3.5, 0, 0, 1.5, 2, 0.5];

describe("valence equals Python's", () => {
  it("by FAU-Net", () => {
    const score = fauNetValence(new Uint8Array(readFileSync(weights)).buffer);
    // Both in double precision from the same single-precision weights.
    expect(score(STILL)).toBeCloseTo(-0.9185480138247157, 12);
    expect(score(FROWN)).toBeCloseTo(-1.4179637262101439, 12);
    expect(score(SMILE)).toBeCloseTo(-0.00830910751505129, 12);
  });

  it("by smile and frown", () => {
    expect(au4Valence(FROWN)).toBeCloseTo(-0.5506710358827784, 12);
    expect(au4Au12Valence(FROWN)).toBeCloseTo(-0.31606027941427883, 12);
    expect(au4Au12Valence(SMILE)).toBeCloseTo(0.4131130282747774, 12);
  });
});
