import { element } from "../../interface/element";
import { say, type Wording } from "../../interface/language";
import { show } from "../../interface/page";
import type { Stimulus, StudySession } from "../../studio/messages";
import type { Participant } from "../../studio/participant";
import type { Pause } from "../pause";
import type { Screen } from "../screen_plugin";

/** A rest before a session: where the person is, and what comes. */
export function sessionIntroduction(session: StudySession, count: number, isFirst: boolean, pause: Pause): Screen {
  return async (display, ready) => {
    const go = element("button", { type: "button", class: "primary large" }, say(isFirst ? "between.begin" : "between.next"));
    show(
      display,
      element(
        "div",
        { class: "centred" },
        element("p", { class: "chip" }, say("between.number", { session: session.session, count })),
        element("h1", {}, isFirst ? say("between.first", { things: things(session.images) }) : say("between.rest")),
        element("p", { class: "soft" }, say("between.text", { count: session.images.length, things: things(session.images) })),
        go,
      ),
    );
    ready();
    await new Promise((resolve) => {
      go.addEventListener("click", resolve, { once: true });
    });
    await pause.over();
    return {};
  };
}

/** What is shown, in one word for many. */
export function things(stimuli: readonly Stimulus[]): Wording {
  const [kind, ...others] = new Set(stimuli.map((stimulus) => stimulus.kind));
  return say(kind === undefined || others.length > 0 ? "things.mixed" : `things.${kind}`);
}

/** Asks the person to write the prompt of a session. */
export function promptScreen(session: StudySession, participant: Participant, written: (prompt: string) => void): Screen {
  return (display, ready) =>
    new Promise((done) => {
      const field = element("textarea", { id: "prompt", class: "field", rows: 3, required: true, maxlength: participant.study.limits.prompt_characters });
      const write = async (): Promise<void> => {
        const prompt = field.value.trim();
        if (prompt === "") return;
        await participant.writePrompt(session.session, prompt);
        written(prompt);
        done({ prompt });
      };
      const form = element(
        "form",
        {
          class: "card",
          submit: (event) => {
            event.preventDefault();
            void write();
          },
        },
        element("label", { for: "prompt" }, say("prompt.label")),
        field,
        element("div", { class: "actions" }, element("button", { type: "submit", class: "primary large" }, say("prompt.go"))),
      );
      show(display, element("h1", {}, say("prompt.title")), form);
      ready();
    });
}
