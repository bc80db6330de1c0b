import { element } from "../../interface/element";
import { say } from "../../interface/language";
import { show } from "../../interface/page";
import type { ConsentChoice } from "../../studio/messages";
import type { ClipQueue } from "../../studio/clip_queue";
import type { Participant } from "../../studio/participant";
import type { Screen } from "../screen_plugin";
import { choiceFields } from "./consent";

/** Waits until the studio has confirmed every clip. */
export function sendingScreen(queue: ClipQueue, participant: Participant, settled: () => Promise<void>): Screen {
  return async (display, ready) => {
    show(display, element("div", { class: "centred" }, element("div", { class: "spinner", "aria-hidden": "true" }), element("h1", {}, say("end.sending")), element("p", { class: "soft" }, say("end.sending-text"))));
    ready();
    await settled();
    await queue.send();
    await participant.refresh();
    return {};
  };
}

/** Shows what there is, asks once more what may be kept, and ends the study. */
export function summaryScreen(participant: Participant, queue: ClipQueue): Screen {
  return (display, ready) =>
    new Promise((done) => {
      const finish = async (choice: ConsentChoice): Promise<void> => {
        if (choice !== participant.progress.consent?.choice) await participant.consent(choice, participant.progress.consent?.language ?? "");
        await participant.finish();
        done({ choice });
      };
      const form = element(
        "form",
        {
          class: "card",
          submit: (event) => {
            event.preventDefault();
            void finish(new FormData(form).get("choice") as ConsentChoice);
          },
        },
        choiceFields(lastChoices(participant), participant.progress.consent?.choice ?? null),
        element("p", { class: "small soft" }, say("end.change")),
        element(
          "div",
          { class: "actions" },
          element("button", { type: "submit", class: "primary large" }, say("end.finish")),
          withdrawButton(participant, queue),
        ),
      );
      show(display, element("h1", {}, say("end.title")), element("p", { class: "soft" }, say("end.text")), facts(participant), form);
      ready();
    });
}

/** Nobody who sent no video can be asked for one now. */
function lastChoices({ progress, study }: Participant): readonly ConsentChoice[] {
  const { choices } = study.consent;
  return progress.consent?.choice === "video" ? choices : choices.filter((choice) => choice !== "video");
}

function facts({ progress }: Participant): HTMLElement {
  const confirmed = progress.sessions.flatMap(({ clips }) => clips).filter(({ state }) => state === "confirmed");
  const answers = progress.sessions.reduce((sum, { survey }) => sum + survey.length, 0);
  const fact = (count: number | string, key: "end.sessions" | "end.clips" | "end.answers"): HTMLElement =>
    element("div", { class: "fact" }, element("b", {}, String(count)), element("span", {}, say(key)));
  return element(
    "div",
    { class: "facts" },
    fact(progress.sessions.filter(({ complete }) => complete).length, "end.sessions"),
    fact(confirmed.length, "end.clips"),
    fact(answers, "end.answers"),
  );
}

/** A button that, asked once more, deletes everything. */
export function withdrawButton(participant: Participant, queue: ClipQueue): HTMLElement {
  const ask = (): void => {
    const withdraw = async (): Promise<void> => {
      await queue.clear();
      await participant.withdraw();
      dialog.remove();
      showFarewell("end.withdrawn", "end.withdrawn-text");
    };
    const dialog = element(
      "dialog",
      { "aria-labelledby": "withdraw" },
      element("h2", { id: "withdraw" }, say("end.withdraw-title")),
      element("p", {}, say("end.withdraw-text")),
      element(
        "form",
        { method: "dialog", class: "actions" },
        element("button", { type: "button", class: "button danger", click: () => void withdraw() }, say("end.withdraw-yes")),
        element("button", { type: "submit", class: "button" }, say("end.withdraw-no")),
      ),
    );
    dialog.addEventListener("close", () => { dialog.remove(); });
    document.body.append(dialog);
    dialog.showModal();
  };
  return element("button", { type: "button", class: "button danger", click: ask }, say("end.withdraw"));
}

/** The last page: nothing can be done any more but read. */
export function showFarewell(title: "end.withdrawn" | "end.thanks" | "end.nothing", text: "end.withdrawn-text" | "end.thanks-text" | "end.nothing-text", ...more: HTMLElement[]): void {
  const main = document.querySelector("main");
  if (main) show(main, element("div", { class: "centred farewell" }, element("h1", {}, say(title)), element("p", {}, say(text)), ...more));
}
