import type { JsPsych, JsPsychExtension, JsPsychExtensionInfo } from "jspsych";
import { ParameterType } from "jspsych";
import { ClipRecorder, type Clip } from "../camera/recorder";
import type { CameraFeed } from "../camera/feed";
import type { Sighting } from "../face/face";
import type { SeriesModel } from "../camera/series";

/** What the extension needs to know once. */
export interface CameraSetting {
  /** Gives the camera that is on; waits where one has to be found first. */
  readonly feed: () => Promise<CameraFeed>;
  readonly isVideo: boolean;
  /** Gives what turns sightings into action units, as it is when a clip ends. */
  readonly model: (sightings: readonly Sighting[], place: string) => SeriesModel | null;
  /** Takes a clip that is whole. */
  readonly recorded: (place: string, clip: Clip) => Promise<void>;
}

/** What a trial says of its clip. */
interface ClipParameters {
  /** `neutral`, or session/image/kind. */
  readonly place: string;
  /** Whether a clip without video begins with the onset of the stimulus. */
  readonly fromOnset: boolean;
}

const info = {
  name: "fergi-camera",
  version: "1.0.0",
  data: {
    clip: { type: ParameterType.STRING },
    onset: { type: ParameterType.FLOAT },
  },
} satisfies JsPsychExtensionInfo;

/**
 * jsPsych extension: records a clip of the camera during a trial.
 *
 * Frames are stamped in the clock of `performance.now()`, in which a trial marks the onset of its
 * stimulus too. Clips never enter jsPsych's data: they go to the studio as they are.
 */
export class CameraExtension implements JsPsychExtension {
  static readonly info = info;
  static setting: CameraSetting | null = null;
  #recorder: Promise<ClipRecorder> | null = null;
  #isAbandoned = false;
  #onset: number | null = null;
  #finishing: Promise<unknown> = Promise.resolve();

  // jsPsych hands itself to every extension.
  constructor(protected readonly jsPsych: JsPsych) {}

  initialize(): Promise<void> {
    return Promise.resolve();
  }

  on_start(): void {
    const { setting } = CameraExtension;
    if (!setting) throw new Error("the camera is not set up");
    this.#isAbandoned = false;
    this.#onset = null;
    this.#recorder = setting.feed().then((feed) => ClipRecorder.begin(feed, setting.isVideo));
  }

  on_load(): void {
    // The first frame may come before or after: screens wait for it themselves.
  }

  /** Waits for the first frame of the clip. */
  async firstFrame(): Promise<void> {
    await this.#recorder;
  }

  /** Notes what happened on the screen, in the clock of the frames. */
  async mark(name: string, time: number): Promise<void> {
    if (name === "stimulus-onset") this.#onset = time;
    (await this.#recorder)?.mark(name, time);
  }

  /** Makes the trial end without a clip. */
  abandon(): void {
    this.#isAbandoned = true;
  }

  async on_finish(parameters?: Record<string, unknown>): Promise<Record<string, unknown>> {
    const recorder = await this.#recorder;
    this.#recorder = null;
    const { setting } = CameraExtension;
    if (!recorder || !setting) return {};
    if (this.#isAbandoned) {
      await recorder.cancel();
      return { clip: null };
    }
    await recorder.stop();
    const { place, fromOnset } = parameters as unknown as ClipParameters;
    this.#finishing = Promise.all([this.#finishing, finished(recorder, setting, place, fromOnset)]);
    return { clip: place, onset: this.#onset };
  }

  /** Waits until every clip so far is on its way; the screens need not. */
  async settled(): Promise<void> {
    await this.#finishing;
  }
}

async function finished(recorder: ClipRecorder, setting: CameraSetting, place: string, fromOnset: boolean): Promise<void> {
  const beginning = fromOnset ? { event: "stimulus-onset" } : "first-frame";
  await setting.recorded(place, await recorder.clip((sightings) => setting.model(sightings, place), beginning));
}
