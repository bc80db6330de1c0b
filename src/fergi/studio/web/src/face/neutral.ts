/** One frame's part in the search for the neutral face. */
export interface NeutralFrame {
  /** Milliseconds, increasing. */
  readonly time: number;
  readonly isValid: boolean;
  readonly observation: Float64Array | null;
}

/** Long enough that noise averages out; as in `fergi.stages.perception.neutral`. */
const STRETCH_MILLISECONDS = 700;

/**
 * Averages the observations of the stretch of valid frames in which the face moves least.
 *
 * @returns null where no stretch of valid frames is long enough.
 */
export function neutralObservation(frames: readonly NeutralFrame[]): Float64Array | null {
  const movements = frames.map((frame, index) => movement(frames[index - 1], frame));
  let best: readonly NeutralFrame[] = [];
  let least = Infinity;
  for (let first = 0; first < frames.length; first++) {
    const last = stretchEnd(frames, first);
    if (last === null) continue;
    const moved = mean(movements.slice(first + 1, last + 1));
    if (moved < least) [least, best] = [moved, frames.slice(first, last + 1)];
  }
  return best.length > 0 ? meanObservation(best) : null;
}

/** Finds the last frame of the shortest stretch of valid frames that is long enough. */
function stretchEnd(frames: readonly NeutralFrame[], first: number): number | null {
  const start = frames[first];
  if (!start) return null;
  for (let last = first; last < frames.length; last++) {
    const frame = frames[last];
    if (!frame?.isValid || !frame.observation) return null;
    if (frame.time >= start.time + STRETCH_MILLISECONDS) return last;
  }
  return null;
}

function movement(before: NeutralFrame | undefined, now: NeutralFrame): number {
  const [old, fresh] = [before?.observation, now.observation];
  if (!old || !fresh) return NaN;
  return fresh.reduce((sum, value, index) => sum + Math.abs(value - (old[index] ?? NaN)), 0) / fresh.length;
}

function meanObservation(frames: readonly NeutralFrame[]): Float64Array | null {
  const first = frames[0]?.observation;
  if (!first) return null;
  const total = new Float64Array(first.length);
  for (const { observation } of frames) observation?.forEach((value, index) => (total[index] = (total[index] ?? 0) + value));
  return total.map((sum) => sum / frames.length);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
