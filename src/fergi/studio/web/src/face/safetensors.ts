/** One array of a model file, in double precision. */
export interface Tensor {
  readonly shape: readonly number[];
  readonly values: Float64Array;
}

interface Entry {
  readonly dtype: string;
  readonly shape: number[];
  readonly data_offsets: [number, number];
}

/** The arrays of a safetensors file by name, and what its header says beside them. */
export interface Tensors {
  readonly arrays: ReadonlyMap<string, Tensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Reads a safetensors file.
 *
 * @throws Error If it holds another type than single or double precision.
 */
export function readTensors(file: ArrayBuffer): Tensors {
  const headerLength = Number(new DataView(file).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(file, 8, headerLength))) as Record<
    string,
    Entry | Record<string, string>
  >;
  const arrays = new Map<string, Tensor>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    arrays.set(name, tensor(file, 8 + headerLength, entry as Entry));
  }
  return { arrays, metadata: (header["__metadata__"] ?? {}) as Record<string, string> };
}

function tensor(file: ArrayBuffer, start: number, { dtype, shape, data_offsets }: Entry): Tensor {
  const bytes = file.slice(start + data_offsets[0], start + data_offsets[1]);
  if (dtype === "F64") return { shape, values: new Float64Array(bytes) };
  if (dtype === "F32") return { shape, values: Float64Array.from(new Float32Array(bytes)) };
  if (dtype === "F16") return { shape, values: halves(bytes) };
  if (dtype === "I64") return { shape, values: Float64Array.from(new BigInt64Array(bytes), Number) };
  if (dtype === "I32") return { shape, values: Float64Array.from(new Int32Array(bytes)) };
  throw new Error(`a model file holds numbers of type ${dtype}, which nothing here reads`);
}

function halves(bytes: ArrayBuffer): Float64Array {
  return Float64Array.from(new Uint16Array(bytes), (half) => {
    const sign = half & 0x8000 ? -1 : 1;
    const exponent = (half >> 10) & 31;
    const fraction = half & 1023;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
}

/** Gives one array by name. */
export function tensorNamed(tensors: Tensors, name: string): Tensor {
  const found = tensors.arrays.get(name);
  if (!found) throw new Error(`the model file lacks ${name}; it belongs to another version`);
  return found;
}
