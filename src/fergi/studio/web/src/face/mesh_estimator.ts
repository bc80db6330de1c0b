import { nearestRotation, type Rotation, type Vector } from "./rotation";
import { readTensors, tensorNamed, type Tensor, type Tensors } from "./safetensors";
import { UNITS, type UnitValues } from "./units";

/** Estimates the twelve units, 0 to 5, of a face beside the same person's neutral face. */
export type Estimator = (observation: Float64Array, neutral: Float64Array) => UnitValues;

/** Gives what the estimator keeps of a face. */
export type MeshObserver = (mesh: Float64Array, blendshapes: Float64Array, rotation: Rotation) => Float64Array;

// All numbers below are those of `fergi.stages.perception.estimators.mesh`.

/** Points of the mesh that expressions move least. */
const RIGID_POINTS = [
  10, 67, 297, 109, 338, 54, 284, 21, 251, 127, 356, 162, 389, 168, 6, 197, 195, 33, 133, 362, 263, 8,
];
const MESH_NUMBERS = 3 * 478;
const BLENDSHAPES = 52;
/** Entries of a rotation that change most, row by row. */
const VIEW = [2, 5, 6, 7, 1];
const HIGHEST = 5;
const FEATURE_LIMIT = 4;
const SHIFT = 2;
const DEPTH = 3;

/** From pixels, which go down and away from the camera, to y up and z forward. */
const UPRIGHT: Vector = [1, -1, -1];

/**
 * Makes what puts a face into its own axes, without size, place and pose of the head.
 *
 * @param file The bytes of `mesh.safetensors`.
 */
export function meshObserver(file: ArrayBuffer): MeshObserver {
  const rigid = vectors(tensorNamed(readTensors(file), "rigid").values);
  const centre = meanOf(rigid);
  const places = rigid.map((place) => minus(place, centre));
  return (mesh, blendshapes, rotation) => {
    const aligned = alignedMesh(vectors(mesh, UPRIGHT), places, centre);
    const view = VIEW.map((entry) => rotation[entry] ?? NaN);
    // Kept in single precision, as in Python.
    return Float64Array.from([...aligned, ...blendshapes, ...view], Math.fround);
  };
}

/** Turns, scales and shifts a mesh so that its rigid points fit the given ones best (Umeyama 1991). */
function alignedMesh(mesh: readonly Vector[], places: readonly Vector[], centre: Vector): number[] {
  const points = RIGID_POINTS.map((point) => mesh[point] ?? centre);
  const middle = meanOf(points);
  const spread = points.map((point) => minus(point, middle));
  const covariance = [0, 1, 2].map((row) =>
    [0, 1, 2].map((column) => spread.reduce((sum, point, index) => sum + (point[row] ?? 0) * (places[index]?.[column] ?? 0), 0)),
  );
  const rotation = nearestRotation(covariance);
  const fit = rotation.reduce((sum, entry, index) => sum + entry * (covariance[Math.floor(index / 3)]?.[index % 3] ?? 0), 0);
  const scale = fit / spread.reduce((sum, [x, y, z]) => sum + x * x + y * y + z * z, 0);
  return mesh.flatMap((point) => {
    const [x, y, z] = minus(point, middle);
    return centre.map(
      (shift, axis) => shift + scale * (x * (rotation[axis] ?? 0) + y * (rotation[3 + axis] ?? 0) + z * (rotation[6 + axis] ?? 0)),
    );
  });
}

/**
 * Makes the estimator from its weights.
 *
 * @param file The bytes of `mesh.safetensors`.
 */
export function meshEstimator(file: ArrayBuffer): Estimator {
  const tensors = readTensors(file);
  const describe = featureMaker(tensors);
  const [mean, scale] = [tensorNamed(tensors, "feature_mean").values, tensorNamed(tensors, "feature_scale").values];
  const networks = layersOf(tensors);
  return (observation, neutral) => {
    const features = describe(observation, neutral).map((value, index) =>
      clipped((value - (mean[index] ?? NaN)) * (scale[index] ?? NaN), FEATURE_LIMIT),
    );
    const outputs = networks.map((layers) => squashed(features, layers));
    const side = (output: number): number => outputs.reduce((sum, one) => sum + (one[output] ?? NaN), 0) / outputs.length;
    return UNITS.map((_, unit) => (side(unit) + side(unit + UNITS.length)) / 2);
  };
}

/** Describes a face by how it differs from neutral, what its neutral is, and the pose. */
function featureMaker(tensors: Tensors): (observation: Float64Array, neutral: Float64Array) => Float64Array {
  const moved = tensorNamed(tensors, "moved");
  const own = tensorNamed(tensors, "neutral");
  const mean = tensorNamed(tensors, "neutral_mean").values;
  const blend = MESH_NUMBERS + BLENDSHAPES;
  return (observation, neutral) => {
    const change = observation.map((value, index) => Math.fround(value - (neutral[index] ?? NaN)));
    const unlike = neutral.subarray(0, MESH_NUMBERS).map((value, index) => value - (mean[index] ?? NaN));
    return Float64Array.from([
      ...product(change.subarray(0, MESH_NUMBERS), moved),
      ...change.subarray(MESH_NUMBERS, blend),
      ...observation.subarray(blend),
      ...product(unlike, own),
      ...neutral.subarray(MESH_NUMBERS),
    ]);
  };
}

interface Layer {
  readonly weight: Tensor;
  readonly bias: Float64Array;
}

function layersOf(tensors: Tensors): Layer[][] {
  const networks: Layer[][] = [];
  for (let network = 0; tensors.arrays.has(`network_${network}.layer_0.weight`); network++)
    networks.push(
      Array.from({ length: DEPTH }, (_, depth) => ({
        weight: tensorNamed(tensors, `network_${network}.layer_${depth}.weight`),
        bias: tensorNamed(tensors, `network_${network}.layer_${depth}.bias`).values,
      })),
    );
  if (networks.length === 0) throw new Error("the model file holds no network; it belongs to another version");
  return networks;
}

function squashed(features: Float64Array, layers: readonly Layer[]): Float64Array {
  const last = layers.length - 1;
  return layers.reduce((values, { weight, bias }, depth) => {
    const sums = product(values, weight).map((sum, node) => sum + (bias[node] ?? NaN));
    return depth < last ? sums.map((sum) => sum * logistic(sum)) : sums.map((sum) => HIGHEST * logistic(sum - SHIFT));
  }, features);
}

/** A row times a matrix whose rows lie one after another. */
function product(row: Float64Array, { shape, values }: Tensor): Float64Array {
  const [, columns = 0] = shape;
  const sums = new Float64Array(columns);
  row.forEach((factor, index) => {
    for (let column = 0; column < columns; column++)
      sums[column] = (sums[column] ?? 0) + factor * (values[index * columns + column] ?? NaN);
  });
  return sums;
}

function logistic(value: number): number {
  return 1 / (1 + Math.exp(-clipped(value, 60)));
}

function clipped(value: number, limit: number): number {
  return Math.min(limit, Math.max(-limit, value));
}

/** Takes three numbers each, in single precision, as Python has them. */
function vectors(numbers: Float64Array, signs: Vector = [1, 1, 1]): Vector[] {
  return Array.from({ length: numbers.length / 3 }, (_, index) =>
    signs.map((sign, axis) => sign * Math.fround(numbers[3 * index + axis] ?? NaN)) as Vector,
  );
}

function meanOf(points: readonly Vector[]): Vector {
  const axes = [0, 1, 2].map((axis) => points.reduce((sum, point) => sum + (point[axis] ?? NaN), 0) / points.length);
  return axes as Vector;
}

function minus(a: Vector, b: Vector): Vector {
  return [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
}
