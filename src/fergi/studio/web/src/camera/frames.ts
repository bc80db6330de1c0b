/** A frame that the camera gave. */
export interface CameraFrame {
  /** Milliseconds in the clock of `performance.now()`, when it was captured as far as is known. */
  readonly time: number;
  readonly video: HTMLVideoElement;
}

/**
 * Calls back for each new frame of a playing video.
 *
 * Frames are stamped in the clock of `performance.now()`, in which events of the page are too.
 *
 * @returns What stops it.
 */
export function watchFrames(video: HTMLVideoElement, seen: (frame: CameraFrame) => void): () => void {
  let handle = 0;
  let last = -Infinity;
  const next = (now: number, metadata: VideoFrameCallbackMetadata): void => {
    handle = video.requestVideoFrameCallback(next);
    const time = metadata.captureTime ?? now;
    if (time <= last) return;
    last = time;
    seen({ time, video });
  };
  handle = video.requestVideoFrameCallback(next);
  return () => {
    video.cancelVideoFrameCallback(handle);
  };
}

/** Measures the rate of the latest frames, per second. */
export class FrameRate {
  readonly #times: number[] = [];

  add(time: number): void {
    this.#times.push(time);
    if (this.#times.length > 45) this.#times.shift();
  }

  get perSecond(): number {
    const [first = 0] = this.#times;
    const last = this.#times.at(-1) ?? 0;
    return last > first ? (1000 * (this.#times.length - 1)) / (last - first) : 0;
  }
}
