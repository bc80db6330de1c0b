import { initJsPsych, type JsPsych } from "jspsych";
import type { Clip } from "../camera/recorder";
import type { CameraFeed } from "../camera/feed";
import type { SeriesModel } from "../camera/series";
import type { Sighting } from "../face/face";
import { meshEstimator, type Estimator } from "../face/mesh_estimator";
import { neutralObservation } from "../face/neutral";
import { isValid } from "../face/validity";
import { FaceWatcher } from "../face/watcher";
import { BrowserStore } from "../studio/browser_store";
import type { ClipQueue } from "../studio/clip_queue";
import type { ClipKind, ConsentChoice, StudySession } from "../studio/messages";
import { loadModel } from "../studio/models";
import { persistently } from "../studio/requests";
import type { Participant } from "../studio/participant";
import { CameraExtension } from "./camera_extension";
import { anotherCamera } from "./camera_loss";
import type { Pause } from "./pause";
import { ScreenPlugin, type Screen } from "./screen_plugin";
import { promptScreen, sessionIntroduction } from "./screens/between";
import { cameraScreen } from "./screens/camera_check";
import { consentScreen } from "./screens/consent";
import { reactionScreen, waitingScreen, type ImageStep, type Surroundings } from "./screens/image";
import { neutralCheck, neutralIntroduction, neutralScreen } from "./screens/neutral";
import { rankingScreen } from "./screens/ranking";
import { sendingScreen, summaryScreen } from "./screens/summary";
import { surveyScreen } from "./screens/survey";

/** What the flow tells the page around it. */
export interface FlowNews {
  /** Images that are done, of all. */
  readonly progressed: (done: number, all: number) => void;
  /** Whether a person could pause now. */
  readonly pausable: (isPausable: boolean) => void;
}

type Node = Record<string, unknown>;

/** The study of one participant, as a jsPsych timeline that begins where the person left off. */
export class Flow {
  readonly #jsPsych: JsPsych;
  readonly #neutrals = new BrowserStore<Float64Array>("neutrals");
  readonly #around: Surroundings;
  #watcher: FaceWatcher | null = null;
  #feed: CameraFeed | null = null;
  /** Baselines are sent when their images are there: without one they would compare with nothing. */
  readonly #awaited = new Map<string, ImageStep>();
  #model: { readonly estimator: Estimator; readonly sha256: string } | null = null;
  #neutral: Float64Array | null = null;

  constructor(
    private readonly participant: Participant,
    private readonly queue: ClipQueue,
    private readonly pause: Pause,
    private readonly news: FlowNews,
    display: HTMLElement,
  ) {
    this.#jsPsych = initJsPsych({ display_element: display, extensions: [{ type: CameraExtension }] });
    const camera = (): CameraExtension => this.#jsPsych.extensions["fergi-camera"] as CameraExtension;
    this.#around = { participant, pause, camera, jsPsych: () => this.#jsPsych };
  }

  /** Runs to the end: the person finishes, or wants nothing kept. */
  async run(): Promise<ConsentChoice> {
    const study: Node = { timeline: await this.#study(), conditional_function: () => this.#choice !== "nothing" };
    await this.#jsPsych.run([...this.#consent(), study] as Parameters<JsPsych["run"]>[0]);
    await this.#neutrals.remove(this.participant.home);
    return this.#choice;
  }

  /** Turns the camera off; nothing is recorded any more. */
  close(): void {
    this.news.pausable(false);
    this.#feed?.close();
    this.#watcher?.close();
  }

  get #choice(): ConsentChoice {
    return this.participant.progress.consent?.choice ?? "nothing";
  }

  #consent(): Node[] {
    const { consent } = this.participant.progress;
    if (consent?.version === this.participant.study.consent.version) return [];
    return [screen(consentScreen(this.participant, offeredChoices(this.participant)))];
  }

  async #study(): Promise<Node[]> {
    const { study } = this.participant;
    const parts = await Promise.all(study.sessions.map((session, index) => this.#session(session, index === 0)));
    const isWork = parts.some((part) => part.length > 0);
    return [
      ...(isWork ? [...this.#setUp(), ...parts.flat()] : []),
      screen(sendingScreen(this.queue, this.participant, () => this.#settle())),
      screen(summaryScreen(this.participant, this.queue)),
    ];
  }

  /** Camera and neutral recording; made anew in this browser wherever it is not known here. */
  #setUp(): Node[] {
    const { neutral_seconds } = this.participant.study.timing;
    const isKnown = (): boolean => (this.#model === null || this.#neutral !== null) && this.participant.progress.neutral === "confirmed";
    const recording = {
      ...screen(neutralScreen(neutral_seconds, this.#around.camera, this.pause)),
      extensions: [{ type: CameraExtension, params: { place: "neutral", fromOnset: false } }],
    };
    const isFound = async (): Promise<boolean> => {
      await this.#around.camera().settled();
      // Without a neutral there would be no features; a video can be looked at again.
      return this.#neutral !== null || this.#choice === "video";
    };
    return [
      { type: ScreenPlugin, screen: this.#loadModels.bind(this) },
      screen((display, ready) => cameraScreen(this.#watcher, (feed) => { this.#begin(feed); })(display, ready)),
      {
        timeline: [
          screen(neutralIntroduction(neutral_seconds)),
          { timeline: [{ timeline: [recording], loop_function: isUndone }, screen(neutralCheck(isFound))], loop_function: isUndone },
        ],
        conditional_function: () => !isKnown(),
      },
    ];
  }

  async #session(session: StudySession, isFirst: boolean): Promise<Node[]> {
    const known = this.participant.progress.sessions.find((one) => one.session === session.session);
    if (known?.complete) return [];
    let prompt = known?.prompt ?? session.prompt;
    const steps = session.images.map<ImageStep>((stimulus, index) => ({
      session,
      stimulus,
      number: index + 1,
      count: session.images.length,
      prompt: () => prompt ?? "",
      view: null,
      coming: null,
      isMissing: false,
    }));
    const images = await Promise.all(steps.map((step) => this.#image(step)));
    const isRanked = known?.ranked === true || !this.participant.study.questions.ranking || steps.length < 2;
    const write = (text: string): void => {
      prompt = text;
    };
    return [
      screen(sessionIntroduction(session, this.participant.study.sessions.length, isFirst, this.pause)),
      ...(prompt === null ? [screen(promptScreen(session, this.participant, write))] : []),
      ...images.flat(),
      ...(isRanked ? [] : [this.#ranking(steps)]),
    ];
  }

  /** Ranks what could be shown. */
  #ranking(steps: readonly ImageStep[]): Node {
    const shown = (): ImageStep[] => steps.filter(({ isMissing }) => !isMissing);
    return {
      timeline: [screen((display, ready) => rankingScreen(shown(), this.#around)(display, ready))],
      conditional_function: () => shown().length > 1,
    };
  }

  /** Waiting, reaction and survey; what the studio or this browser already has is not repeated. */
  async #image(step: ImageStep): Promise<Node[]> {
    const { session, stimulus } = step;
    const known = this.participant.progress.sessions.find((one) => one.session === session.session);
    const has = async (kind: ClipKind): Promise<boolean> =>
      known?.clips.some((clip) => clip.image === stimulus.image && clip.kind === kind && clip.state === "confirmed") === true ||
      (await this.queue.has(place(step, kind)));
    const nodes: Node[] = [];
    if (!(await has("reaction"))) nodes.push(this.#viewing(step, !(await has("baseline"))));
    if (known?.survey.includes(stimulus.image) !== true) nodes.push(unlessMissing(step, screen(surveyScreen(step, this.#around))));
    const done: Node = { type: ScreenPlugin, screen: () => Promise.resolve(this.#progressed()) };
    return nodes.length > 0 ? [...nodes, done] : [];
  }

  /** Both clips of an image; one that a pause breaks off is made again. */
  #viewing(step: ImageStep, isBaselineMissing: boolean): Node {
    let isBaselineWanted = isBaselineMissing;
    this.#awaited.set(place(step, "baseline"), step);
    const waiting = (isRecorded: boolean): Node => ({
      ...screen(waitingScreen(step, this.#around, isRecorded)),
      ...(isRecorded && { extensions: [{ type: CameraExtension, params: { place: place(step, "baseline"), fromOnset: false } }] }),
    });
    const recorded: Node = {
      timeline: [{ timeline: [waiting(true)], loop_function: isUndone }],
      conditional_function: () => isBaselineWanted,
      on_timeline_finish: () => {
        isBaselineWanted = false;
      },
    };
    // A generator may take longer than the clip.
    const unrecorded: Node = { timeline: [waiting(false)], conditional_function: () => step.view === null };
    const reaction: Node = {
      ...screen(reactionScreen(step, this.#around)),
      extensions: [{ type: CameraExtension, params: { place: place(step, "reaction"), fromOnset: true } }],
    };
    return { timeline: [recorded, unrecorded, unlessMissing(step, { timeline: [reaction], loop_function: isUndone })] };
  }

  async #loadModels(): Promise<Node> {
    const { models } = this.participant.study;
    if ("face_landmarker.task" in models) {
      const mesh = "mesh.safetensors" in models ? await persistently(() => loadModel("mesh.safetensors")) : null;
      const task = await persistently(() => loadModel("face_landmarker.task"));
      this.#watcher = await FaceWatcher.open(task.bytes, mesh?.bytes ?? null);
      this.#model = mesh && { estimator: meshEstimator(mesh.bytes), sha256: mesh.sha256 };
      this.#neutral = (await this.#neutrals.get(this.participant.home)) ?? null;
    }
    this.#progressed();
    return {};
  }

  #begin(feed: CameraFeed): void {
    this.#use(feed);
    CameraExtension.setting = {
      feed: () => this.#feedAfterPause(),
      isVideo: this.#choice === "video",
      model: (sightings, clip) => this.#modelFor(sightings, clip),
      recorded: (clip, { record, video }) => this.#recorded(clip, { record, video }),
    };
    this.news.pausable(true);
  }

  #use(feed: CameraFeed): void {
    this.#feed = feed;
    void feed.lost.then(async () => {
      this.#use(await anotherCamera(this.#watcher, this.pause));
    });
  }

  async #feedAfterPause(): Promise<CameraFeed> {
    await this.pause.over();
    if (!this.#feed) throw new Error("the camera is not set up");
    return this.#feed;
  }

  /** The neutral recording is the first that its own neutral is found in. */
  #modelFor(sightings: readonly Sighting[], clip: string): SeriesModel | null {
    if (clip === "neutral" && this.#model) this.#neutral = restingObservation(sightings);
    return this.#model && this.#neutral && { ...this.#model, neutral: this.#neutral };
  }

  async #recorded(clip: string, { record, video }: Clip): Promise<void> {
    if (!record.series && !video) return;
    const step = this.#awaited.get(clip);
    await step?.coming;
    if (step?.isMissing) return;
    if (clip === "neutral") {
      if (this.#neutral) await this.#neutrals.put(this.participant.home, this.#neutral);
      if (this.participant.progress.neutral === "confirmed") return;
    }
    await this.queue.add(clip, record, video);
  }

  #progressed(): Node {
    const all = this.participant.study.sessions.reduce((sum, { images }) => sum + images.length, 0);
    const before = this.participant.progress.sessions.reduce((sum, { survey }) => sum + survey.length, 0);
    this.#surveyed += 1;
    this.news.progressed(Math.min(all, before + this.#surveyed), all);
    return {};
  }

  async #settle(): Promise<void> {
    await this.#around.camera().settled();
    this.close();
  }

  /** Images done since the page was opened; the models' loading tells the first time. */
  #surveyed = -1;
}

/** What of the study's choices this studio can do: without networks there are no features. */
function offeredChoices({ study }: Participant): readonly ConsentChoice[] {
  const hasModels = "mesh.safetensors" in study.models && "face_landmarker.task" in study.models;
  return study.consent.choices.filter((choice) => choice !== "features" || hasModels);
}

function restingObservation(sightings: readonly Sighting[]): Float64Array | null {
  return neutralObservation(
    sightings.map(({ time, face, ratios, observation }) => ({
      time,
      isValid: face !== null && ratios !== null && isValid(face.score, ratios),
      observation,
    })),
  );
}

function screen(run: Screen): Node {
  return { type: ScreenPlugin, screen: run };
}

function place({ session, stimulus }: ImageStep, kind: ClipKind): string {
  return `${session.session}/${stimulus.image}/${kind}`;
}

/** Leaves out what needs an image that could not be made. */
function unlessMissing(step: ImageStep, node: Node): Node {
  return { timeline: [node], conditional_function: () => !step.isMissing };
}

/** Repeats a recording that a pause broke off. */
function isUndone(data: { values: () => { isDone?: boolean }[] }): boolean {
  return data.values().at(-1)?.isDone === false;
}
