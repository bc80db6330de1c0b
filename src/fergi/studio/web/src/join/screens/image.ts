import type { JsPsych } from "jspsych";
import { element, fill } from "../../interface/element";
import { say, worded } from "../../interface/language";
import type { StudySession, Stimulus } from "../../studio/messages";
import type { Participant } from "../../studio/participant";
import type { CameraExtension } from "../camera_extension";
import { elapsed, type Pause } from "../pause";
import { painted, preparedStimulus, type StimulusView } from "../stimulus_view";
import type { Screen } from "../screen_plugin";

/** One image of a session, as its screens need it. */
export interface ImageStep {
  readonly session: StudySession;
  readonly stimulus: Stimulus;
  /** Number of the image in the session, and how many there are. */
  readonly number: number;
  readonly count: number;
  readonly prompt: () => string;
  view: StimulusView | null;
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
 * It lasts as long as the baseline clip and until the image is ready.
 */
export function waitingScreen(step: ImageStep, around: Surroundings, isRecorded: boolean): Screen {
  return async (display, ready) => {
    await around.pause.over();
    fill(display, frame(step, element("div", { class: "coming", role: "status" }, say("wait.coming"))));
    ready();
    if (isRecorded) await around.camera().firstFrame();
    const phase = Promise.all([elapsed(around.participant.study.timing.baseline_seconds), prepare(step, around)]);
    const isDone = await around.pause.unlessPaused(phase);
    if (!isDone && isRecorded) around.camera().abandon();
    await around.pause.over();
    return { isDone };
  };
}

/** The image, from its first painted frame for as long as the reaction clip lasts. */
export function reactionScreen(step: ImageStep, around: Surroundings): Screen {
  return async (display, ready) => {
    const { view } = step;
    const camera = around.camera();
    const place = element("div", { class: "stimulus-place" });
    fill(display, frame(step, place));
    ready();
    if (!view) {
      camera.abandon();
      return { isDone: false };
    }
    await camera.firstFrame();
    const onset = await painted(() => {
      place.append(view.element);
      void view.begin();
    });
    await camera.mark("stimulus-onset", onset);
    const isDone = await around.pause.unlessPaused(elapsed(around.participant.study.timing.reaction_seconds));
    if (!isDone) camera.abandon();
    await around.pause.over();
    return { isDone, onset };
  };
}

/** Asks for the image until it is there, and makes it ready to be painted. */
async function prepare(step: ImageStep, { participant }: Surroundings): Promise<void> {
  if (step.view) return;
  const { session, stimulus } = step;
  for (;;) {
    const { state } = await participant.askStimulus(session.session, stimulus.image);
    if (state === "ready") break;
    await elapsed(1);
  }
  step.view = await stimulusView(step, participant);
}

/** Loads an image that is ready. */
export async function stimulusView({ stimulus, number }: ImageStep, participant: Participant): Promise<StimulusView> {
  const file = await participant.stimulus(stimulus.address);
  return preparedStimulus(stimulus, file, worded(say("wait.image", { number })));
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
