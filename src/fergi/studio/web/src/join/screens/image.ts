import type { JsPsych } from "jspsych";
import { element, fill } from "../../interface/element";
import { say, worded, type Wording } from "../../interface/language";
import type { StudySession, Stimulus } from "../../studio/messages";
import type { Participant } from "../../studio/participant";
import type { CameraExtension } from "../camera_extension";
import { elapsed, whileRecorded, type Pause } from "../pause";
import { painted, preparedStimulus, type StimulusView } from "../stimulus_view";
import type { Screen } from "../screen_plugin";

/** How often a generator may fail at one image before the study goes on without it. */
const MOST_FAILURES = 3;

const SECONDS_TO_READ = 2.5;

/** One image of a session, as its screens need it. */
export interface ImageStep {
  readonly session: StudySession;
  readonly stimulus: Stimulus;
  /** Number of the image in the session, and how many there are. */
  readonly number: number;
  readonly count: number;
  readonly prompt: () => string;
  view: StimulusView | null;
  /** Settles when it can be painted, or cannot be had; asked for once. */
  coming: Promise<void> | null;
  /** Whether it was not to be had, so that the study goes on without it. */
  isMissing: boolean;
}

/** What all screens of a study share. */
export interface Surroundings {
  readonly participant: Participant;
  readonly pause: Pause;
  readonly camera: () => CameraExtension;
  readonly jsPsych: () => JsPsych;
}

/**
 * The waiting phase: the prompt, and a place where the image will be.
 *
 * @param isRecorded Whether it lasts as long as the baseline clip; else until the image is ready,
 *     or cannot be made.
 */
export function waitingScreen(step: ImageStep, around: Surroundings, isRecorded: boolean): Screen {
  return async (display, ready) => {
    await around.pause.over();
    const coming = element("div", { class: "coming", role: "status" }, say("wait.coming", { thing: thing(step) }));
    fill(display, frame(step, coming));
    ready();
    step.coming ??= prepare(step, around);
    if (isRecorded) {
      const { baseline_seconds } = around.participant.study.timing;
      return { isDone: await whileRecorded(around.camera(), around.pause, () => elapsed(baseline_seconds)) };
    }
    await step.coming;
    await around.pause.over();
    if (step.isMissing) await tellMissing(coming);
    return { isDone: true };
  };
}

/** The image, from its first painted frame for as long as the reaction clip lasts. */
export function reactionScreen(step: ImageStep, around: Surroundings): Screen {
  return async (display, ready) => {
    const { view } = step;
    const { pause } = around;
    const camera = around.camera();
    let onset = 0;
    const place = element("div", { class: "stimulus-place" });
    fill(display, frame(step, place));
    ready();
    if (!view) {
      camera.abandon();
      return { isDone: false };
    }
    const isDone = await whileRecorded(camera, pause, async () => {
      onset = await painted(() => {
        place.append(view.element);
        void view.begin();
      });
      await camera.mark("stimulus-onset", onset);
      await elapsed(around.participant.study.timing.reaction_seconds);
    });
    view.rest();
    return { isDone, onset };
  };
}

/** Asks for the image until it is there or cannot be made, and makes it ready to be painted. */
async function prepare(step: ImageStep, { participant }: Surroundings): Promise<void> {
  const { session, stimulus } = step;
  for (let failures = 0; ; ) {
    const { state } = await participant.askStimulus(session.session, stimulus.image);
    if (state === "ready") break;
    failures += state === "failed" ? 1 : 0;
    step.isMissing = failures >= MOST_FAILURES;
    if (step.isMissing) return;
    await elapsed(1);
  }
  step.view = await stimulusView(step, participant);
}

async function tellMissing(coming: HTMLElement): Promise<void> {
  fill(coming, say("wait.missing"));
  await elapsed(SECONDS_TO_READ);
}

/** Loads an image that is ready. */
export async function stimulusView({ stimulus, number }: ImageStep, participant: Participant): Promise<StimulusView> {
  const file = await participant.stimulus(stimulus.address);
  return preparedStimulus(stimulus, file, worded(say(`name.${stimulus.kind}`, { number })));
}

/** What is shown, in one word. */
export function thing({ stimulus }: ImageStep): Wording {
  return say(`thing.${stimulus.kind}`);
}

/** The same frame before and after, so that nothing moves when the image appears. */
function frame(step: ImageStep, inside: HTMLElement): HTMLElement {
  return element(
    "div",
    { class: "viewing" },
    element("h1", { class: "prompt" }, element("span", { class: "small soft" }, say("wait.prompt")), step.prompt()),
    element("div", { class: "stimulus-frame" }, inside),
  );
}
