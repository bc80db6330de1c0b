import { element } from "../../interface/element";
import { language, ofLanguage, say, type TextKey } from "../../interface/language";
import { show } from "../../interface/page";
import { plainText } from "../../interface/plain_text";
import type { ConsentChoice } from "../../studio/messages";
import { Refusal } from "../../studio/requests";
import type { Participant } from "../../studio/participant";
import type { Screen } from "../screen_plugin";

/** Shows the text, and waits for a choice that the studio has recorded. */
export function consentScreen(participant: Participant, offered: readonly ConsentChoice[]): Screen {
  return (display, ready) =>
    new Promise((done) => {
      const problem = element("div", { role: "alert" });
      const go = element("button", { type: "submit", class: "primary large", disabled: true }, say("consent.go"));
      const agree = async (choice: ConsentChoice): Promise<void> => {
        go.disabled = true;
        try {
          await participant.consent(choice, consentLanguage(participant));
          done({ choice });
        } catch (error) {
          if (!(error instanceof Refusal)) throw error;
          problem.replaceChildren(element("p", { class: "notice bad" }, error.message));
          go.disabled = false;
        }
      };
      const form = element(
        "form",
        {
          class: "card",
          submit: (event) => {
            event.preventDefault();
            void agree(new FormData(form).get("choice") as ConsentChoice);
          },
          change: () => {
            go.disabled = false;
          },
        },
        choiceFields(offered, null),
        problem,
        element("div", { class: "actions" }, go),
      );
      show(display, ...consentText(participant), form);
      ready();
    });
}

/** The choices of what may be kept, as a set of radio buttons. */
export function choiceFields(offered: readonly ConsentChoice[], chosen: ConsentChoice | null): HTMLElement {
  const field = (choice: ConsentChoice): HTMLElement =>
    element(
      "label",
      { class: "choice" },
      element("input", { type: "radio", name: "choice", value: choice, required: true, checked: choice === chosen }),
      element(
        "span",
        {},
        element("strong", {}, say(`consent.${choice}`)),
        element("span", { class: "soft small" }, say(`consent.${choice}-means` satisfies TextKey)),
      ),
    );
  return element("fieldset", { class: "choices" }, element("legend", {}, say("consent.choose")), ...offered.map(field));
}

/** The language of the text that is shown: the page's, or else the study's first. */
function consentLanguage(participant: Participant): string {
  const { texts } = participant.study.consent;
  return language() in texts ? language() : (Object.keys(texts)[0] ?? "");
}

function consentText(participant: Participant): HTMLElement[] {
  const { study } = participant;
  const text = study.consent.texts[consentLanguage(participant)]?.text ?? "";
  return [
    element("h1", {}, ofLanguage(study.title)),
    element("div", { class: "lead" }, ...plainText(ofLanguage(study.introduction))),
    element("section", { class: "card consent-text", lang: consentLanguage(participant), "aria-label": say("consent.text"), tabindex: "0" }, ...plainText(text)),
    element("p", { class: "small soft" }, say("consent.version", { version: study.consent.version })),
  ];
}
