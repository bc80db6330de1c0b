/** Three rows of three numbers, one after another. */
export type Rotation = readonly number[];

export type Matrix = readonly (readonly number[])[];

export type Vector = [number, number, number];

/**
 * Gives U·Vᵀ of the singular vectors of a matrix, never a mirror image.
 *
 * The third vectors are cross products of the first two, which makes both bases proper.
 */
export function nearestRotation(matrix: Matrix): Rotation {
  const [v1, v2] = leadingEigenvectors(transposedTimes(matrix));
  const u1 = unit(times(matrix, v1));
  const image = times(matrix, v2);
  const along = dot(image, u1);
  const u2 = unit([image[0] - along * u1[0], image[1] - along * u1[1], image[2] - along * u1[2]]);
  const left = [u1, u2, cross(u1, u2)] as const;
  const right = [v1, v2, cross(v1, v2)] as const;
  return [0, 1, 2].flatMap((row) =>
    [0, 1, 2].map((column) => left.reduce((sum, u, k) => sum + (u[row] ?? 0) * (right[k]?.[column] ?? 0), 0)),
  );
}

/** Finds the two eigenvectors of the largest eigenvalues of a symmetric matrix, by Jacobi's turns. */
function leadingEigenvectors(symmetric: number[][]): [Vector, Vector] {
  const a = symmetric;
  const vectors = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
  const pairs = [[0, 1], [0, 2], [1, 2]] as const;
  // Convergence is quadratic; a dozen sweeps reach the last bit of any 3 × 3 matrix.
  for (let sweep = 0; sweep < 12; sweep++) for (const [p, q] of pairs) turn(a, vectors, p, q);
  const order = [0, 1, 2].sort((one, other) => at(a, other, other) - at(a, one, one));
  const column = (k = 0): Vector => [at(vectors, 0, k), at(vectors, 1, k), at(vectors, 2, k)];
  return [column(order[0]), column(order[1])];
}

function turn(a: number[][], vectors: number[][], p: number, q: number): void {
  const off = at(a, p, q);
  if (off === 0) return;
  const theta = (at(a, q, q) - at(a, p, p)) / (2 * off);
  const tangent = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.hypot(theta, 1));
  const cosine = 1 / Math.hypot(tangent, 1);
  const sine = tangent * cosine;
  for (const matrix of [a, vectors])
    for (const row of matrix) rotatePair(row, p, q, cosine, sine);
  const [rowP = [], rowQ = []] = [a[p], a[q]];
  for (let k = 0; k < 3; k++) {
    const [x, y] = [rowP[k] ?? 0, rowQ[k] ?? 0];
    rowP[k] = cosine * x - sine * y;
    rowQ[k] = sine * x + cosine * y;
  }
}

function rotatePair(row: number[], p: number, q: number, cosine: number, sine: number): void {
  const [x, y] = [row[p] ?? 0, row[q] ?? 0];
  row[p] = cosine * x - sine * y;
  row[q] = sine * x + cosine * y;
}

function at(matrix: Matrix, row: number, column: number): number {
  return matrix[row]?.[column] ?? 0;
}

function transposedTimes(matrix: Matrix): number[][] {
  return [0, 1, 2].map((i) => [0, 1, 2].map((j) => matrix.reduce((sum, row) => sum + (row[i] ?? 0) * (row[j] ?? 0), 0)));
}

function times(matrix: Matrix, v: Vector): Vector {
  return matrix.map((row) => (row[0] ?? 0) * v[0] + (row[1] ?? 0) * v[1] + (row[2] ?? 0) * v[2]) as Vector;
}

function dot(a: Vector, b: Vector): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

function cross(a: Vector, b: Vector): Vector {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
}

function unit(v: Vector): Vector {
  const length = Math.hypot(...v);
  return [v[0] / length, v[1] / length, v[2] / length];
}
