import type { Sighting } from "../face/face";
import type { FaceWatcher } from "../face/watcher";
import { cameraLost, closeCamera, type Camera } from "./camera";
import { FrameRate, watchFrames } from "./frames";

/** Frames that may wait to be looked at: three seconds, so that a slow machine can catch up. */
const MOST_BEHIND = 90;

type FrameListener = (time: number) => void;
type SightingListener = (sighting: Sighting) => void;

interface BehindFrame {
  readonly time: number;
  readonly picture: Promise<ImageBitmap>;
}

/** The camera's frames, and what is seen in them, for whoever listens. */
export class CameraFeed {
  readonly rate = new FrameRate();
  /** Settles when the camera has gone: unplugged, or taken away. */
  readonly lost: Promise<void>;
  readonly #frameListeners = new Set<FrameListener>();
  readonly #sightingListeners = new Set<SightingListener>();
  readonly #behind: BehindFrame[] = [];
  readonly #looking = new Set<number>();
  readonly #stop: () => void;
  #recordings = 0;

  /**
   * @param watcher Looks at frames; null where the studio has no face networks.
   */
  constructor(
    readonly camera: Camera,
    readonly watcher: FaceWatcher | null,
  ) {
    this.lost = cameraLost(camera);
    // Browsers pause a video that leaves the page, and a paused one gives no frames.
    camera.video.addEventListener("pause", () => void camera.video.play().catch(() => undefined));
    this.#stop = watchFrames(camera.video, ({ time, video }) => {
      this.rate.add(time);
      for (const listen of this.#frameListeners) listen(time);
      this.#take(video, time);
    });
  }

  /** Calls back with the time of each frame; answers what ends that. */
  onFrame(listen: FrameListener): () => void {
    this.#frameListeners.add(listen);
    return () => this.#frameListeners.delete(listen);
  }

  /** Calls back with what is seen; answers what ends that. */
  onSighting(listen: SightingListener): () => void {
    this.#sightingListeners.add(listen);
    return () => this.#sightingListeners.delete(listen);
  }

  /** Has every frame looked at from now on, however long it takes; answers what ends that. */
  lookAtAll(): () => void {
    this.#recordings++;
    return () => this.#recordings--;
  }

  /** Waits for the next frame, or until there will be none any more. */
  async nextFrame(): Promise<void> {
    let end = (): unknown => undefined;
    const next = new Promise<void>((resolve) => {
      end = this.onFrame(() => {
        resolve();
      });
    });
    await Promise.race([next, this.lost]);
    end();
  }

  /** Waits until no frame up to a time is still to be looked at. */
  async caughtUp(time: number): Promise<void> {
    const isBehind = (): boolean =>
      [...this.#looking, ...this.#behind.map((frame) => frame.time)].some((pending) => pending <= time);
    while (isBehind()) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  /** Turns the camera off. */
  close(): void {
    this.#stop();
    closeCamera(this.camera);
  }

  #take(video: HTMLVideoElement, time: number): void {
    if (!this.watcher || this.#sightingListeners.size === 0) return;
    const room = this.#recordings > 0 ? MOST_BEHIND : 0;
    if (this.#behind.length >= room && !(this.watcher.isReady && this.#behind.length === 0)) return;
    this.#behind.push({ time, picture: createImageBitmap(video) });
    this.#lookOn();
  }

  #lookOn(): void {
    while (this.watcher?.isReady && this.#looking.size < this.watcher.mostWaiting) {
      const next = this.#behind.shift();
      if (!next) return;
      void this.#look(this.watcher, next);
    }
  }

  async #look(watcher: FaceWatcher, { picture, time }: BehindFrame): Promise<void> {
    this.#looking.add(time);
    try {
      const sighting = await watcher.look(await picture, time);
      for (const listen of this.#sightingListeners) listen(sighting);
    } finally {
      this.#looking.delete(time);
      this.#lookOn();
    }
  }
}
