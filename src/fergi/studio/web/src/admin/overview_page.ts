import { element } from "../interface/element";
import { ofLanguage, say } from "../interface/language";
import { send } from "../studio/requests";
import { fact, facts, megabytes } from "./figures";
import type { Overview, ParticipantSummary } from "./messages";
import { participantsTable } from "./participants_page";

/** The study at a glance. */
export async function overviewPage(): Promise<Node[]> {
  const [study, { participants }] = await Promise.all([
    send<Overview>("GET", "/api/admin/study"),
    send<{ participants: ParticipantSummary[] }>("GET", "/api/admin/participants"),
  ]);
  const { counts } = study;
  return [
    element("h1", {}, ofLanguage(study.title)),
    element("p", { class: "soft" }, say("admin.kept", { folder: study.folder, days: study.retention_days, version: study.consent_version })),
    facts(
      fact(counts.participants, say("admin.participants")),
      fact(counts.finished, say("admin.finished")),
      fact(counts.withdrawn, say("admin.withdrawn")),
      fact(counts.clips, say("admin.clips")),
      fact(counts.videos, say("admin.videos")),
      fact(megabytes(counts.bytes), say("admin.megabytes")),
    ),
    element("section", { class: "card" }, element("h2", {}, say("admin.latest")), participantsTable(participants.slice(0, 5))),
    element("div", { class: "pair" }, promptsCard(study), exportCard()),
  ];
}

function promptsCard({ prompts }: Overview): HTMLElement {
  const items = prompts.map(({ text, stimuli }) =>
    element("li", {}, element("span", {}, text), element("span", { class: "chip" }, say("admin.images", { images: stimuli }))),
  );
  return element("section", { class: "card" }, element("h2", {}, say("admin.prompts")), element("ul", { class: "plain" }, ...items));
}

function exportCard(): HTMLElement {
  const download = (contents: string, key: "admin.export-study" | "admin.export-annotations"): HTMLElement =>
    element("a", { class: "button", href: `/api/admin/export?contents=${contents}`, download: true }, say(key));
  return element(
    "section",
    { class: "card" },
    element("h2", {}, say("admin.export")),
    element("p", { class: "soft small" }, say("admin.export-text")),
    element("div", { class: "actions" }, download("study", "admin.export-study"), download("annotations", "admin.export-annotations")),
  );
}
