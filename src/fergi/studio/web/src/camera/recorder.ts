import type { Sighting } from "../face/face";
import type { ClipEvent, ClipRecord } from "../studio/messages";
import { sha256 } from "../studio/models";
import type { CameraFeed } from "./feed";
import { seriesOf, type SeriesModel } from "./series";
import { VideoRecording } from "./video_recording";

/** A clip, ready to be sent. */
export interface Clip {
  readonly record: ClipRecord;
  readonly video: Blob | null;
}

/** Where in a clip its first frame is. */
type Beginning = "first-frame" | { readonly event: string };

/** Records one clip: its frames' times, what was seen, and the video where that is allowed. */
export class ClipRecorder {
  readonly #began = new Date();
  readonly #frames: number[] = [];
  readonly #sightings: Sighting[] = [];
  readonly #marks: { name: string; time: number }[] = [];
  readonly #endings: (() => void)[] = [];
  #video: VideoRecording | null = null;
  #recorded: Blob | null = null;
  #rest: () => void = () => undefined;
  #last = Infinity;

  private constructor(private readonly feed: CameraFeed) {}

  /** Begins a clip, and waits for its first frame. */
  static async begin(feed: CameraFeed, isVideo: boolean): Promise<ClipRecorder> {
    const recorder = new ClipRecorder(feed);
    if (isVideo) recorder.#video = await VideoRecording.begin(feed.camera.stream);
    recorder.#listen();
    await feed.nextFrame();
    return recorder;
  }

  /** Notes that something happened, in the clock of the frames. */
  mark(name: string, time: number = performance.now()): void {
    this.#marks.push({ name, time });
  }

  /** Ends the clip and throws it away. */
  async cancel(): Promise<void> {
    await this.stop();
    this.#forget();
  }

  /** Ends the recording; what it saw may still be looked at. */
  async stop(): Promise<void> {
    this.#last = performance.now();
    this.#rest();
    this.#recorded = (await this.#video?.end()) ?? null;
  }

  /**
   * Gives the clip, once every frame has been looked at.
   *
   * @param modelOf Gives what turns what was seen into action units; null where that is not possible.
   * @param beginning What the first frame is. Of a video it is always the video's own.
   */
  async clip(modelOf: (sightings: readonly Sighting[]) => SeriesModel | null, beginning: Beginning): Promise<Clip> {
    const video = this.#recorded;
    await this.feed.caughtUp(this.#last);
    this.#forget();
    const start = this.#startOf(video ? "first-frame" : beginning);
    const isWithin = (time: number): boolean => time >= start && time <= this.#last;
    const sightings = this.#sightings.filter(({ time }) => isWithin(time));
    const frames = video ? this.#frames.filter(isWithin) : sightings.map(({ time }) => time);
    const origin = frames[0] ?? start;
    return { record: await this.#record(frames, origin, sightings, modelOf(sightings), video), video };
  }

  async #record(
    frames: readonly number[],
    origin: number,
    sightings: readonly Sighting[],
    model: SeriesModel | null,
    video: Blob | null,
  ): Promise<ClipRecord> {
    const { width, height, frameRate } = this.feed.camera;
    return {
      recorded: this.#began.toISOString(),
      seconds: rounded(((frames.at(-1) ?? origin) - origin) / 1000),
      events: this.#marks.map<ClipEvent>(({ name, time }) => ({ name, seconds: rounded((time - origin) / 1000) })),
      camera: { width, height, frame_rate: rounded(frameRate), label: null },
      quality: { frames: frames.length, dropped_frames: droppedFrames(frames, frameRate), light: meanLight(sightings) },
      series: model && sightings.length > 1 ? seriesOf(sightings, model) : null,
      video: video && { sha256: await sha256(await video.arrayBuffer()), bytes: video.size, type: plainType(video) },
    };
  }

  #startOf(beginning: Beginning): number {
    if (beginning === "first-frame") return this.#video?.started ?? -Infinity;
    return this.#marks.find(({ name }) => name === beginning.event)?.time ?? -Infinity;
  }

  #listen(): void {
    const shown = (): void => {
      this.mark(document.hidden ? "page-hidden" : "page-shown");
    };
    const [track] = this.feed.camera.stream.getVideoTracks();
    const muted = (): void => {
      this.mark("camera-muted");
    };
    document.addEventListener("visibilitychange", shown);
    this.#rest = this.feed.lookAtAll();
    track?.addEventListener("mute", muted);
    this.#endings.push(
      this.feed.onFrame((time) => this.#frames.push(time)),
      this.feed.onSighting((sighting) => this.#sightings.push(sighting)),
      () => {
        document.removeEventListener("visibilitychange", shown);
        track?.removeEventListener("mute", muted);
      },
    );
  }

  #forget(): void {
    for (const end of this.#endings.splice(0)) end();
  }
}

/** Counts the frames that the camera promised and did not give. */
export function droppedFrames(times: readonly number[], frameRate: number): number {
  let dropped = 0;
  for (let index = 1; index < times.length; index++) {
    const gap = (times[index] ?? 0) - (times[index - 1] ?? 0);
    dropped += Math.max(0, Math.round((gap * frameRate) / 1000) - 1);
  }
  return dropped;
}

function meanLight(sightings: readonly Sighting[]): number | null {
  const lights = sightings.flatMap(({ face }) => (face ? [face.light] : []));
  return lights.length > 0 ? rounded(lights.reduce((sum, light) => sum + light, 0) / lights.length) : null;
}

function plainType(video: Blob): string {
  return video.type.split(";")[0] ?? "";
}

function rounded(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}
