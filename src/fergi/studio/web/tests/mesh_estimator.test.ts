import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { headPose } from "../src/face/head_pose";
import { headRatios } from "../src/face/landmarks";
import { meshEstimator, meshObserver } from "../src/face/mesh_estimator";
import { taskEntry } from "../src/face/task_file";

interface Recorded {
  readonly meshes: readonly number[][];
  readonly blendshapes: readonly number[][];
  readonly rotations: readonly number[][];
}

/** What Python makes of the same landmarks; the first face is the neutral one. */
interface ByPython {
  readonly observations: readonly number[][];
  readonly intensities: readonly number[][];
  readonly exact: readonly number[][];
  readonly ratios: readonly [number, number][];
}

const here = import.meta.dirname;
const recorded = JSON.parse(readFileSync(resolve(here, "recorded_faces.json"), "utf-8")) as Recorded;
const shipped = resolve(here, "../../../weights/shipped/mesh-estimator.safetensors");

/** Written by `tests/browser/test_pages.py`, with the weights as they are now. */
const byPython = process.env["FERGI_UNITS_BY_PYTHON"];
const python = (byPython ? JSON.parse(readFileSync(byPython, "utf-8")) : {}) as ByPython;
const task = resolve(process.env["FERGI_MODELS_DIR"] ?? "", "face_landmarker.task");

function bytesOf(path: string): ArrayBuffer {
  return new Uint8Array(readFileSync(path)).buffer;
}

function greatestDifference(ours: ArrayLike<number>, theirs: readonly number[]): number {
  expect(ours.length).toBe(theirs.length);
  return Math.max(...theirs.map((value, index) => Math.abs(value - (ours[index] ?? NaN))));
}

const observations = (file: ArrayBuffer): Float64Array[] =>
  recorded.meshes.map((mesh, face) =>
    meshObserver(file)(Float64Array.from(mesh), Float64Array.from(recorded.blendshapes[face] ?? []), recorded.rotations[face] ?? []),
  );

function worstUnit(theirs: readonly number[][]): number {
  const estimate = meshEstimator(bytesOf(shipped));
  const [neutral = new Float64Array(), ...others] = observations(bytesOf(shipped));
  return Math.max(...others.map((one, index) => greatestDifference(estimate(one, neutral), theirs[index + 1] ?? [])));
}

describe.skipIf(!byPython)("on the same landmarks as Python", () => {
  it("puts a face into its own axes to a millionth of the eye distance", () => {
    observations(bytesOf(shipped)).forEach((one, face) => {
      // Python works in single precision, whose steps at these values are 1e-7.
      expect(greatestDifference(one, python.observations[face] ?? [])).toBeLessThan(2e-6);
    });
  });

  it("gives the same action units to 1e-5", () => {
    // Both in double precision, but for what is kept of a face: that may round the other way.
    expect(worstUnit(python.exact)).toBeLessThan(1e-5);
  });

  it("gives the units of the Python estimator as it is", () => {
    // Meshes are aligned in double precision; what is kept of a face has single precision.
    expect(worstUnit(python.intensities)).toBeLessThan(1e-5);
  });

  it("gives units that differ from face to face", () => {
    const [first = [], second = []] = python.intensities.slice(1);
    expect(greatestDifference(first, second)).toBeGreaterThan(0.5);
  });

  it("gives the same head ratios", () => {
    recorded.meshes.forEach((mesh, face) => {
      const { pitch, yaw } = headRatios(Float64Array.from(mesh));
      // Both in double precision: only the order of sums differs.
      expect(greatestDifference([pitch, yaw], python.ratios[face] ?? [])).toBeLessThan(1e-12);
    });
  });
});

describe.skipIf(!existsSync(task))("the head pose", () => {
  it("is Python's", () => {
    const pose = headPose(taskEntry(new Uint8Array(bytesOf(task)), "geometry_pipeline_metadata_landmarks.binarypb"));
    recorded.meshes.forEach((mesh, face) => {
      // Both in double precision, through two ways to singular vectors.
      expect(greatestDifference(pose(Float64Array.from(mesh)), recorded.rotations[face] ?? [])).toBeLessThan(1e-9);
    });
  });
});
