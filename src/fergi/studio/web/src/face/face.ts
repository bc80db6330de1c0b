/** A face in one frame, as the face networks see it. */
export interface Face {
  /** x, y, width and height of the detector's box, in pixels of the frame. */
  readonly box: readonly [number, number, number, number];
  /** The detector's confidence, 0 to 1. */
  readonly score: number;
  /** x and y of each of the 478 points in pixels of the frame, and z on the same scale. */
  readonly mesh: Float64Array;
  /** The 52 coefficients, 0 to 1, in the network's own order. */
  readonly blendshapes: Float64Array;
  /** Mean luminance of the face, 0 to 1. */
  readonly light: number;
}

/** What was found in one frame. */
export interface Sighting {
  /** Milliseconds in the clock of `performance.now()`. */
  readonly time: number;
  /** The widest face; null where there was none. */
  readonly face: Face | null;
  /** What the estimator of action units keeps of it; null without a face or a model. */
  readonly observation: Float64Array | null;
  /** How far the head is turned; null without a face. */
  readonly ratios: HeadRatios | null;
  /** Milliseconds that the look took. */
  readonly cost: number;
}

/** The paper's measures of how far a head is turned. */
export interface HeadRatios {
  /** Height of the nostrils below the eyes, in eye distances; about 0.7 straight ahead. */
  readonly pitch: number;
  /** Share of the face's width left of its middle; 0.5 straight ahead. */
  readonly yaw: number;
}
