import { element } from "../interface/element";
import { say } from "../interface/language";
import { send } from "../studio/requests";
import { fact, facts, shareBar } from "./figures";
import type { Annotation, Annotations } from "./messages";

/** More would only make the page slow; the export has them all. */
const MOST_SHOWN = 200;

/** What the faces say so far, the surest first. */
export async function annotationsPage(): Promise<Node[]> {
  const { annotations, problems } = await send<Annotations>("GET", "/api/admin/annotations?valence=fau-net");
  const surest = [...annotations].sort((a, b) => (b.confidence ?? 0) - (a.confidence ?? 0));
  return [
    element("h1", {}, say("admin.annotations")),
    element("p", { class: "soft" }, say("admin.annotations-text")),
    facts(
      fact(annotations.length, say("admin.pairs")),
      fact(annotations.filter(({ preferred }) => preferred !== null).length, say("admin.decided")),
      fact(problems.length, say("admin.problems")),
    ),
    element("div", { class: "pairs" }, ...surest.slice(0, MOST_SHOWN).map(pairCard)),
    problems.length > 0 ? problemList(problems) : "",
  ].filter((node): node is HTMLElement => node !== "");
}

function pairCard(pair: Annotation): HTMLElement {
  return element(
    "article",
    { class: "card pair-card" },
    element("p", { class: "small" }, element("strong", {}, pair.prompt ?? "–"), " ", element("a", { href: `#/participants/${pair.participant}`, class: "soft" }, pair.participant)),
    element("div", { class: "pair-images" }, pairImage(pair, 0), pairImage(pair, 1)),
    element("div", { class: "pair-foot" }, element("span", { class: "chip" }, pair.source), pair.confidence === null ? element("span", { class: "soft small" }, say("admin.undecided")) : shareBar(pair.confidence, say("admin.confidence"))),
  );
}

function pairImage(pair: Annotation, side: 0 | 1): HTMLElement {
  const path = side === 0 ? pair.image_0 : pair.image_1;
  const number = /image(\d+)\.\w+$/.exec(path)?.[1] ?? "";
  const address = `/api/admin/participants/${pair.participant}/sessions/${pair.session}/images/${number}/stimulus`;
  const isPreferred = pair.preferred === side;
  return element(
    "figure",
    { class: isPreferred ? "preferred" : "" },
    element("div", { class: "thumb" }, element("img", { src: address, alt: say("admin.image", { image: number }), loading: "lazy" })),
    isPreferred ? element("figcaption", { class: "small" }, say("admin.preferred")) : null,
  );
}

function problemList(problems: Annotations["problems"]): HTMLElement {
  const items = problems.slice(0, MOST_SHOWN).map(({ place, reason }) => element("li", {}, element("code", {}, place), ` ${reason}`));
  return element("section", { class: "card" }, element("h2", {}, say("admin.problems")), element("ul", { class: "small" }, ...items));
}
