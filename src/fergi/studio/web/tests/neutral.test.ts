import { describe, expect, it } from "vitest";
import { neutralObservation, type NeutralFrame } from "../src/face/neutral";

/** Frames 100 ms apart, one number each. */
function frames(values: readonly number[], invalid: readonly number[] = []): NeutralFrame[] {
  return values.map((value, index) => ({
    time: 100 * index,
    isValid: !invalid.includes(index),
    observation: Float64Array.of(value),
  }));
}

describe("the neutral face", () => {
  it("is the mean of the steadiest seven tenths of a second", () => {
    const moving = [0, 3, 0, 3, 0, 3];
    const still = [5, 5.1, 5, 5.1, 5, 5.1, 5, 5.1];
    const [found] = neutralObservation(frames([...moving, ...still])) ?? [];
    expect(found).toBeCloseTo(5.05, 9);
  });

  it("never lies where the face was not surely seen", () => {
    const still = [1, 1, 1, 1, 1, 1, 1, 1];
    const restless = [4, 5, 4, 5, 4, 5, 4, 5];
    const [found] = neutralObservation(frames([...still, ...restless], [7])) ?? [];
    expect(found).toBeCloseTo(4.5, 9);
  });

  it("is not found where no stretch is long enough", () => {
    expect(neutralObservation(frames([1, 1, 1, 1, 1, 1, 1]))).toBeNull();
  });
});
