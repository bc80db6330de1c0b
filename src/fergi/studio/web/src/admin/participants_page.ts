import { element } from "../interface/element";
import { say } from "../interface/language";
import { send } from "../studio/requests";
import { moment, shareBar, table } from "./figures";
import type { ParticipantSummary } from "./messages";

/** Everyone who has joined, with progress and quality. */
export async function participantsPage(): Promise<Node[]> {
  const { participants } = await send<{ participants: ParticipantSummary[] }>("GET", "/api/admin/participants");
  return [
    element("h1", {}, say("admin.participants")),
    element("p", { class: "soft" }, say("admin.participants-text")),
    element("section", { class: "card" }, participantsTable(participants)),
  ];
}

/** Participants as rows of a table. */
export function participantsTable(participants: readonly ParticipantSummary[]): HTMLElement {
  return table(
    say("admin.participants"),
    [say("admin.participant"), say("admin.choice"), say("admin.done"), say("admin.valid"), say("admin.dropped"), say("admin.light"), say("admin.rate"), say("admin.joined")],
    participants.map((one) => [
      element("a", { href: `#/participants/${one.participant}`, class: "name" }, one.participant),
      element("span", { class: "chip" }, one.choice ? say(`admin.choice-${one.choice}`) : "–"),
      shareBar(one.clips_expected ? one.clips / one.clips_expected : null, say("admin.done")),
      shareBar(one.valid_share, say("admin.valid")),
      shareBar(one.dropped_share, say("admin.dropped"), false),
      element("span", { class: "number" }, one.light?.toFixed(2) ?? "–"),
      element("span", { class: "number" }, one.frame_rate?.toFixed(0) ?? "–"),
      element("span", { class: "small soft" }, moment(one.joined)),
    ]),
  );
}
