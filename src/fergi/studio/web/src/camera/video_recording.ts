/** In the order in which they are wished for; VP8 leaves most of a small machine to the face networks. */
const TYPES = ["video/webm;codecs=vp8", "video/webm;codecs=vp9", "video/webm", "video/mp4"];

/** Enough for 640 × 480 faces without blocks around the mouth. */
const BITS_PER_SECOND = 2_500_000;

/** A video on its way into memory. */
export class VideoRecording {
  readonly #parts: Blob[] = [];

  private constructor(
    private readonly recorder: MediaRecorder,
    /** Milliseconds in the clock of `performance.now()`. */
    readonly started: number,
  ) {
    recorder.addEventListener("dataavailable", ({ data }) => this.#parts.push(data));
  }

  /** Begins to record, and waits until the browser really does. */
  static async begin(stream: MediaStream): Promise<VideoRecording> {
    const mimeType = TYPES.find((type) => MediaRecorder.isTypeSupported(type));
    const recorder = new MediaRecorder(stream, { ...(mimeType && { mimeType }), videoBitsPerSecond: BITS_PER_SECOND });
    const started = new Promise<number>((resolve) => {
      // One that stops before it began has lost its camera.
      for (const name of ["start", "stop"])
        recorder.addEventListener(name, ({ timeStamp }) => {
          resolve(timeStamp);
        }, { once: true });
    });
    recorder.start();
    return new VideoRecording(recorder, await started);
  }

  /** Ends it, and gives the whole video. */
  async end(): Promise<Blob> {
    if (this.recorder.state !== "inactive") {
      const stopped = new Promise((resolve) => {
        this.recorder.addEventListener("stop", resolve, { once: true });
      });
      this.recorder.stop();
      await stopped;
    }
    return new Blob(this.#parts, { type: this.recorder.mimeType });
  }
}
