import type { JsPsych, JsPsychPlugin, PluginInfo, TrialType } from "jspsych";
import { ParameterType } from "jspsych";

/** What a screen gives when it is done: what jsPsych keeps of the trial. */
export type ScreenData = Readonly<Record<string, unknown>>;

/** Fills the display, says when it is ready, and is done when the person is. */
export type Screen = (display: HTMLElement, ready: () => void) => Promise<ScreenData>;

const info = {
  name: "fergi-screen",
  version: "1.0.0",
  parameters: { screen: { type: ParameterType.FUNCTION, default: undefined } },
  data: {},
} satisfies PluginInfo;

/** jsPsych plugin: one screen of the study. */
export class ScreenPlugin implements JsPsychPlugin<typeof info> {
  static readonly info = info;

  // jsPsych hands itself to every plugin.
  constructor(protected readonly jsPsych: JsPsych) {}

  async trial(display: HTMLElement, trial: TrialType<typeof info>, onLoad?: () => void): Promise<Record<string, unknown>> {
    const screen = trial.screen as Screen;
    const data = await screen(display, () => onLoad?.());
    display.replaceChildren();
    return { ...data };
  }
}
