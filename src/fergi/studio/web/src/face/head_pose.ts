import { nearestRotation, type Matrix, type Rotation, type Vector } from "./rotation";

/** The points that the pose is fitted to. */
interface Basis {
  readonly points: readonly number[];
  readonly weights: readonly number[];
  /** The canonical face's own places, centred and weighted. */
  readonly places: readonly Vector[];
}

/**
 * Makes what finds the head's rotation, as `fergi.stages.perception.head_pose` does: a weighted
 * rigid fit of the canonical face over the points that expressions move little.
 *
 * @param geometry The protocol buffer of the task file.
 */
export function headPose(geometry: Uint8Array): (mesh: Float64Array) => Rotation {
  const basis = canonicalBasis(geometry);
  return (mesh) => {
    const seen = basis.points.map<Vector>((point) => [
      mesh[3 * point] ?? NaN,
      -(mesh[3 * point + 1] ?? NaN),
      -(mesh[3 * point + 2] ?? NaN),
    ]);
    const centre = weightedMean(seen, basis.weights);
    return nearestRotation(covariance(seen, centre, basis.places));
  };
}

function covariance(seen: readonly Vector[], centre: Vector, places: readonly Vector[]): Matrix {
  const sums = [[0, 0, 0], [0, 0, 0], [0, 0, 0]];
  seen.forEach((point, index) => {
    const place = places[index] ?? [0, 0, 0];
    for (const [row, sum] of sums.entries())
      for (const column of [0, 1, 2] as const)
        sum[column] = (sum[column] ?? 0) + ((point[row] ?? 0) - (centre[row] ?? 0)) * place[column];
  });
  return sums;
}

function weightedMean(points: readonly Vector[], weights: readonly number[]): Vector {
  const sum: Vector = [0, 0, 0];
  points.forEach((point, index) => {
    for (const axis of [0, 1, 2] as const) sum[axis] += point[axis] * (weights[index] ?? 0);
  });
  return sum;
}

/** Reads the canonical face, and which of its points the pose is fitted to, with their weights. */
function canonicalBasis(geometry: Uint8Array): Basis {
  const fields = readFields(geometry);
  const mesh = fields.find(({ number, value }) => number === 1 && value instanceof Uint8Array)?.value;
  if (!(mesh instanceof Uint8Array)) throw new Error("the canonical face cannot be read");
  const numbers = readFields(mesh).filter(({ number }) => number === 3).map(({ value }) => singles(value)).flat();
  const entries = fields.filter(({ number }) => number === 2).map(({ value }) => readFields(value as Uint8Array));
  const points = entries.map((entry) => entry.find(({ number }) => number === 1)?.value as number);
  const raw = entries.map((entry) => singles(entry.find(({ number }) => number === 2)?.value)[0] ?? NaN);
  const total = raw.reduce((sum, weight) => sum + weight, 0);
  const weights = raw.map((weight) => weight / total);
  // A vertex is x, y, z and two coordinates of its texture.
  const places = points.map<Vector>((point) => numbers.slice(5 * point, 5 * point + 3) as Vector);
  const centre = weightedMean(places, weights);
  const centred = places.map<Vector>((place, index) => {
    const weight = weights[index] ?? NaN;
    return [0, 1, 2].map((axis) => ((place[axis] ?? NaN) - (centre[axis] ?? NaN)) * weight) as Vector;
  });
  return { points, weights, places: centred };
}

interface Field {
  readonly number: number;
  readonly value: number | Uint8Array;
}

function singles(value: number | Uint8Array | undefined): number[] {
  if (!(value instanceof Uint8Array)) return [];
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  return Array.from({ length: value.byteLength / 4 }, (_, index) => view.getFloat32(4 * index, true));
}

/** Lists number and value of each field of a protocol buffer. */
function readFields(message: Uint8Array): Field[] {
  const fields: Field[] = [];
  let place = 0;
  const integer = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = message[place++] ?? 0;
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
  };
  while (place < message.length) {
    const key = integer();
    if ((key & 7) === 0) {
      fields.push({ number: key >> 3, value: integer() });
      continue;
    }
    const size = (key & 7) === 5 ? 4 : integer();
    fields.push({ number: key >> 3, value: message.subarray(place, place + size) });
    place += size;
  }
  return fields;
}
