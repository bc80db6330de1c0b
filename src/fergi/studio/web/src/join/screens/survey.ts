import { element } from "../../interface/element";
import { ofLanguage, say, type TextKey, type Wording } from "../../interface/language";
import { show } from "../../interface/page";
import { en } from "../../interface/texts/en";
import type { ExtraQuestion, Survey } from "../../studio/messages";
import { stimulusView, type ImageStep, type Surroundings } from "./image";
import type { Screen } from "../screen_plugin";

const SCALE = [1, 2, 3, 4, 5, 6, 7];

/** Asks about one image, which stays in sight. */
export function surveyScreen(step: ImageStep, around: Surroundings): Screen {
  return async (display, ready) => {
    const { participant, pause } = around;
    step.view ??= await stimulusView(step, participant);
    step.view.rest();
    const form = surveyForm(step, around);
    show(
      display,
      element(
        "div",
        { class: "survey" },
        element("div", { class: "survey-image" }, element("div", { class: "stimulus-frame" }, step.view.element), element("p", { class: "soft small" }, step.prompt())),
        form,
      ),
    );
    ready();
    const survey = await answered(form, around);
    await pause.over();
    await participant.answer(step.session.session, step.stimulus.image, survey);
    return { ...survey };
  };
}

function surveyForm(step: ImageStep, { participant }: Surroundings): HTMLFormElement {
  const { ratings, issues, reactions, extra } = participant.study.questions;
  return element(
    "form",
    { class: "card", novalidate: true },
    element("h1", {}, say("survey.title", { this: say(`this.${step.stimulus.kind}`) })),
    ...ratings.map((name) => scale(name, say(`survey.${name}`), [say(`survey.${name}-low`), say(`survey.${name}-high`)], SCALE)),
    issues.length > 0 && ticks("issues", say("survey.issues"), issues),
    reactions.length > 0 && ticks("reactions", say("survey.reactions"), reactions),
    ...extra.map(extraField),
    element("p", { class: "notice bad", role: "alert", hidden: true }, say("survey.open")),
    element("div", { class: "actions" }, element("button", { type: "submit", class: "primary large" }, say("survey.go"))),
  );
}

/** Waits for the answers; open questions are asked about once. */
function answered(form: HTMLFormElement, { participant }: Surroundings): Promise<Survey> {
  const { ratings } = participant.study.questions;
  const warning = form.querySelector<HTMLElement>(".notice");
  return new Promise((resolve) => {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const data = new FormData(form);
      const open = ratings.filter((name) => !data.has(name));
      if (open.length > 0 && warning?.hidden) {
        warning.hidden = false;
        form.querySelector<HTMLInputElement>(`input[name="${open[0] ?? ""}"]`)?.focus();
        return;
      }
      resolve(surveyOf(data, participant.study.questions.extra));
    });
  });
}

function surveyOf(data: FormData, extra: readonly ExtraQuestion[]): Survey {
  const rating = (name: string): number | null => (data.has(name) ? Number(data.get(name)) : null);
  const given = extra.flatMap(({ name, kind }) => {
    const value = data.get(`extra-${name}`);
    if (typeof value !== "string" || value === "") return [];
    return [[name, kind === "scale" ? Number(value) : value] as const];
  });
  return {
    overall_rating: rating("overall_rating"),
    alignment_rating: rating("alignment_rating"),
    fidelity_rating: rating("fidelity_rating"),
    issues: data.getAll("issues").map(String),
    reactions: data.getAll("reactions").map(String),
    extra: Object.fromEntries(given),
  };
}

type Ends = readonly [low: Wording | string, high: Wording | string];

function scale(name: string, title: Wording | string, [low, high]: Ends, values: readonly number[]): HTMLElement {
  const choice = (value: number): HTMLElement =>
    element("label", {}, element("input", { type: "radio", name, value }), element("span", {}, String(value)));
  return element(
    "fieldset",
    { class: "scale" },
    element("legend", {}, title),
    element("div", { class: "scale-row" }, ...values.map(choice)),
    element("div", { class: "scale-ends small soft", "aria-hidden": "true" }, element("span", {}, low), element("span", {}, high)),
  );
}

function ticks(name: string, title: Wording, values: readonly string[]): HTMLElement {
  const tick = (value: string): HTMLElement =>
    element("label", {}, element("input", { type: "checkbox", name, value }), element("span", {}, answerName(value)));
  return element("fieldset", { class: "ticks" }, element("legend", {}, title), element("div", { class: "tick-row" }, ...values.map(tick)));
}

/** The name of an issue or a reaction: ours where we know it, else as the study writes it. */
export function answerName(value: string): Wording | string {
  const key = `answer.${value}`;
  return key in en ? say(key as TextKey) : value.replaceAll("_", " ");
}

function extraField({ name, text, kind, lowest = 1, highest = 7 }: ExtraQuestion): HTMLElement {
  const title = ofLanguage(text);
  if (kind === "scale") {
    const values = Array.from({ length: highest - lowest + 1 }, (_, index) => lowest + index);
    return scale(`extra-${name}`, title, ["", ""], values);
  }
  const id = `extra-${name}`;
  return element("p", { class: "written" }, element("label", { for: id }, title), element("textarea", { id, name: id, class: "field", rows: 2, maxlength: 2000 }));
}
