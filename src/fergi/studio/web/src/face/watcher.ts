import type { Sighting } from "./face";
import type { Answer, Request } from "./messages";

/** Frames that may wait for the worker: one in work and one at hand keep it busy. */
const MOST_WAITING = 2;

interface Waiting {
  readonly settle: (answer: Answer) => void;
  readonly fail: (error: Error) => void;
}

/** Looks at frames in a worker, so that the page stays quick. */
export class FaceWatcher {
  readonly #waiting: Waiting[] = [];
  readonly #worker = new Worker(new URL("./worker.ts", import.meta.url), { name: "faces" });

  readonly mostWaiting = MOST_WAITING;

  private constructor() {
    this.#worker.onmessage = ({ data }: MessageEvent<Answer>) => {
      const waiting = this.#waiting.shift();
      if (data.kind === "failed") waiting?.fail(new Error(data.reason));
      else waiting?.settle(data);
    };
    this.#worker.onerror = (event) => {
      for (const { fail } of this.#waiting.splice(0)) fail(new Error(event.message));
    };
  }

  /**
   * Starts the worker and loads the networks into it.
   *
   * @param task The bytes of `face_landmarker.task`.
   * @param weights Of the estimator of action units; null where the studio has none.
   */
  static async open(task: ArrayBuffer, weights: ArrayBuffer | null): Promise<FaceWatcher> {
    const watcher = new FaceWatcher();
    const runtime = new URL(FACE_RUNTIME, location.href).href.slice(0, -1);
    await watcher.#ask({ kind: "open", task, weights, runtime }, []);
    return watcher;
  }

  /** Whether a frame given now would be looked at soon. */
  get isReady(): boolean {
    return this.#waiting.length < MOST_WAITING;
  }

  /** Looks at one frame, which is closed thereby. */
  async look(frame: ImageBitmap, time: number): Promise<Sighting> {
    const answer = await this.#ask({ kind: "look", frame, time }, [frame]);
    if (answer.kind !== "seen") throw new Error("the worker answered something else");
    return answer.sighting;
  }

  close(): void {
    this.#worker.terminate();
  }

  #ask(request: Request, transferred: Transferable[]): Promise<Answer> {
    return new Promise((settle, fail) => {
      this.#waiting.push({ settle, fail });
      this.#worker.postMessage(request, transferred);
    });
  }
}
