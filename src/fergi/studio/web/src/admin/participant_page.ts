import { element } from "../interface/element";
import { say, type Wording } from "../interface/language";
import { send } from "../studio/requests";
import { fact, facts, moment, percent, table } from "./figures";
import { stimulusThumb } from "./stimulus_thumb";
import type { ClipSummary, ImageDetail, ParticipantDetail, SessionDetail } from "./messages";

/** Everything of one participant. */
export async function participantPage([name = ""]: readonly string[]): Promise<Node[]> {
  const one = await send<ParticipantDetail>("GET", `/api/admin/participants/${encodeURIComponent(name)}`);
  const known = (value: number | null, show: (value: number) => string): string => (value === null ? "–" : show(value));
  return [
    element("p", { class: "small" }, element("a", { href: "#/participants" }, say("admin.back"))),
    element("div", { class: "heading" }, element("h1", {}, one.participant), deleteButton(one.participant)),
    facts(
      fact(`${one.clips} / ${one.clips_expected}`, say("admin.clips")),
      fact(known(one.valid_share, percent), say("admin.valid")),
      fact(known(one.dropped_share, percent), say("admin.dropped")),
      fact(known(one.light, (light) => light.toFixed(2)), say("admin.light")),
      fact(known(one.frame_rate, (rate) => rate.toFixed(0)), say("admin.rate")),
    ),
    ...one.session_details.map((session) => sessionCard(one.participant, session)),
    element("section", { class: "card" }, element("h2", {}, say("admin.consents")), consentTable(one)),
  ];
}

function consentTable({ consents, kept_until }: ParticipantDetail): HTMLElement {
  const rows = consents.map(({ given, choice, version, language }) => [moment(given), say(`admin.choice-${choice}`), version, language]);
  return element(
    "div",
    {},
    table(say("admin.consents"), [say("admin.given"), say("admin.choice"), say("admin.version"), say("language")], rows),
    element("p", { class: "small soft" }, say("admin.until", { until: kept_until.slice(0, 10) })),
  );
}

function sessionCard(participant: string, { session, prompt, ranking, images }: SessionDetail): HTMLElement {
  const inOrder = [...images].sort((a, b) => rankOf(ranking, a.image) - rankOf(ranking, b.image));
  return element(
    "section",
    { class: "card" },
    element("h2", {}, element("span", { class: "soft" }, `${session} · `), prompt ?? "–"),
    element("div", { class: "gallery" }, ...inOrder.map((image) => imageCard(participant, session, image, ranking))),
  );
}

function rankOf(ranking: readonly number[] | null, image: number): number {
  const rank = ranking?.indexOf(image) ?? -1;
  return rank < 0 ? image : rank + 1;
}

function imageCard(participant: string, session: number, image: ImageDetail, ranking: readonly number[] | null): HTMLElement {
  const { survey, reaction, baseline } = image;
  const rating = survey?.overall_rating;
  return element(
    "article",
    { class: "shown" },
    stimulusThumb(image.stimulus, say("admin.image", { image: image.image })),
    ranking ? element("span", { class: "rank", title: say("admin.rank") }, String(rankOf(ranking, image.image))) : null,
    element(
      "div",
      { class: "shown-foot" },
      element("span", { class: "small soft" }, rating ? say("admin.rating", { rating }) : "–"),
      clipLink(participant, session, image.image, "reaction", reaction, say("admin.reaction")),
      clipLink(participant, session, image.image, "baseline", baseline, say("admin.baseline")),
    ),
  );
}

function clipLink(participant: string, session: number, image: number, kind: string, clip: ClipSummary | null, name: Wording): HTMLElement | null {
  if (!clip) return null;
  const href = `#/participants/${participant}/${session}/${image}/${kind}`;
  return element("a", { class: "clip-link", href }, name, " ", element("span", { class: "soft number" }, clip.valid_share === null ? "" : percent(clip.valid_share)));
}

function deleteButton(participant: string): HTMLElement {
  const ask = (): void => {
    const remove = async (): Promise<void> => {
      await send("DELETE", `/api/admin/participants/${encodeURIComponent(participant)}`);
      dialog.remove();
      location.hash = "#/participants";
    };
    const dialog = element(
      "dialog",
      { "aria-labelledby": "delete" },
      element("h2", { id: "delete" }, say("admin.delete-title", { participant })),
      element("p", {}, say("admin.delete-text")),
      element(
        "form",
        { method: "dialog", class: "actions" },
        element("button", { type: "button", class: "button danger", click: () => void remove() }, say("admin.delete-yes")),
        element("button", { type: "submit", class: "button" }, say("admin.delete-no")),
      ),
    );
    dialog.addEventListener("close", () => { dialog.remove(); });
    document.body.append(dialog);
    dialog.showModal();
  };
  return element("button", { type: "button", class: "button danger", click: ask }, say("admin.delete"));
}
