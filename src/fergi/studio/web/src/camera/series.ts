import type { Sighting } from "../face/face";
import type { Estimator } from "../face/mesh_estimator";
import { UNITS } from "../face/units";
import type { Series } from "../studio/messages";

/** What turns a person's sightings into action units. */
export interface SeriesModel {
  readonly estimator: Estimator;
  readonly sha256: string;
  /** Of the person's neutral recording. */
  readonly neutral: Float64Array;
}

/** Gives the action units of the frames of a clip; null where no face was seen. */
export function seriesOf(sightings: readonly Sighting[], model: SeriesModel): Series {
  const start = sightings[0]?.time ?? 0;
  return {
    estimator: { name: "mesh", sha256: model.sha256, scale: "proxy" },
    neutral: true,
    times: sightings.map(({ time }) => rounded((time - start) / 1000)),
    face_confidence: sightings.map(({ face }) => face && rounded(face.score)),
    pitch_ratio: sightings.map(({ ratios }) => ratios && rounded(ratios.pitch)),
    yaw_ratio: sightings.map(({ ratios }) => ratios && rounded(ratios.yaw)),
    units: UNITS,
    intensities: sightings.map(
      ({ observation }) => observation && model.estimator(observation, model.neutral).map(rounded),
    ),
  };
}

/** Half a microsecond, or of an intensity far less than any estimator can tell. */
function rounded(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}
