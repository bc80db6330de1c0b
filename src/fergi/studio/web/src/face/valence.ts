import { readTensors, tensorNamed } from "./safetensors";
import { BROW_LOWERER, LIP_CORNER_PULLER, type UnitValues } from "./units";

/** Scores activation values: how much a face says that an image pleased. */
export type Valence = (activations: UnitValues) => number;

/** Scores by how little the brow was lowered; arXiv:2312.03187v1, section 6.2. */
export function au4Valence(activations: UnitValues, steepness = 0.4): number {
  return -saturated(activations[BROW_LOWERER] ?? NaN, steepness);
}

/** Scores by smile against frown; arXiv:2312.03187v2, section 6.2. */
export function au4Au12Valence(activations: UnitValues, share = 0.5, steepness = 0.5): number {
  const smile = saturated(activations[LIP_CORNER_PULLER] ?? NaN, steepness);
  return share * au4Valence(activations, steepness) + (1 - share) * smile;
}

function saturated(activation: number, steepness: number): number {
  return 1 - Math.exp(-steepness * activation);
}

/**
 * Makes the score of FAU-Net from its 261 weights; arXiv:2312.03187v4, section 5.
 *
 * The difference of two scores is the log odds that the first is preferred.
 *
 * @param file The bytes of `fau-net.safetensors`.
 */
export function fauNetValence(file: ArrayBuffer): Valence {
  const tensors = readTensors(file);
  const values = (name: string): Float64Array => tensorNamed(tensors, name).values;
  const unitWeights = values("unit_weights");
  const unitBiases = values("unit_biases");
  const hiddenWeights = values("hidden_weights");
  const hiddenBiases = values("hidden_biases");
  const outputWeights = values("output_weights");
  const [outputBias = NaN] = values("output_bias");
  return (activations) => {
    const units = unitWeights.map((weight, unit) =>
      sigmoid((activations[unit] ?? NaN) * weight + (unitBiases[unit] ?? NaN)),
    );
    const hidden = hiddenBiases.map((bias, node) =>
      units.reduce((sum, value, unit) => sum + value * (hiddenWeights[node * units.length + unit] ?? NaN), bias),
    );
    const nodes = [...units, ...hidden].map(sigmoid);
    return nodes.reduce((sum, value, node) => sum + value * (outputWeights[node] ?? NaN), outputBias);
  };
}

/** Turns log odds into a probability. */
export function sigmoid(x: number): number {
  return 0.5 * (1 + Math.tanh(0.5 * x));
}
