import { drawn, element } from "../../interface/element";
import { say, worded, type Wording } from "../../interface/language";
import { show } from "../../interface/page";
import type { Screen } from "../screen_plugin";
import { stimulusView, type ImageStep, type Surroundings } from "./image";
import { things } from "./between";

/** Lets a person put the images of a session in order: by drag and drop, touch or keyboard. */
export function rankingScreen(steps: readonly ImageStep[], around: Surroundings): Screen {
  return async (display, ready) => {
    const { participant, pause } = around;
    for (const step of steps) step.view ??= await stimulusView(step, participant);
    for (const { view } of steps) view?.rest();
    const ranking = new RankingList(steps);
    const go = element("button", { type: "button", class: "primary large" }, say("rank.go"));
    show(
      display,
      element("h1", {}, rankingTitle(steps)),
      element("p", { class: "soft", id: "ranking-how" }, say("rank.how")),
      ranking.element,
      element("div", { class: "actions" }, go),
      ranking.news,
    );
    ready();
    await new Promise((resolve) => {
      go.addEventListener("click", resolve, { once: true });
    });
    await pause.over();
    const session = steps[0]?.session.session ?? 0;
    await participant.rank(session, ranking.bestFirst);
    return { best_first: ranking.bestFirst };
  };
}

class RankingList {
  readonly element = element("ol", { class: "ranking", "aria-describedby": "ranking-how" });
  readonly news = element("p", { class: "hidden-text", "aria-live": "assertive" });

  constructor(steps: readonly ImageStep[]) {
    this.element.append(...steps.map((step) => this.#card(step)));
    this.#number();
  }

  get bestFirst(): number[] {
    return this.#cards.map(({ dataset }) => Number(dataset["image"]));
  }

  get #cards(): HTMLElement[] {
    return [...this.element.children] as HTMLElement[];
  }

  #card({ stimulus, view, number }: ImageStep): HTMLElement {
    const name = say(`name.${stimulus.kind}`, { number });
    const earlier = element("button", { type: "button", class: "quiet icon", "aria-label": say("rank.earlier", { name }) }, arrow("M15 5 L8 12 L15 19"));
    const later = element("button", { type: "button", class: "quiet icon", "aria-label": say("rank.later", { name }) }, arrow("M9 5 L16 12 L9 19"));
    const card = element(
      "li",
      { class: "rank-card", tabindex: "0", "data-image": stimulus.image, "aria-label": name, "aria-roledescription": say("rank.movable") },
      element("div", { class: "rank-picture" }, view?.element ?? null),
      element("div", { class: "rank-foot" }, earlier, element("span", { class: "rank-number" }), later),
    );
    earlier.addEventListener("click", () => { this.#move(card, -1, earlier); });
    later.addEventListener("click", () => { this.#move(card, 1, later); });
    card.addEventListener("keydown", (event) => { this.#steer(card, event); });
    card.addEventListener("pointerdown", (event) => { this.#drag(card, event); });
    return card;
  }

  #steer(card: HTMLElement, event: KeyboardEvent): void {
    const by = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    if (by === undefined || event.target !== card) return;
    event.preventDefault();
    this.#move(card, by, card);
  }

  #move(card: HTMLElement, by: number, focused: HTMLElement): void {
    const cards = this.#cards;
    const target = cards[cards.indexOf(card) + by];
    if (!target) return;
    this.#place(card, target);
    focused.focus();
    this.#number();
    this.#tell(card);
  }

  /** Follows a finger or a mouse; the others make room as the card passes them. */
  #drag(card: HTMLElement, down: PointerEvent): void {
    if (down.button !== 0 || !isHandle(down)) return;
    down.preventDefault();
    card.setPointerCapture(down.pointerId);
    card.classList.add("dragged");
    let home = card.getBoundingClientRect();
    let origin = { x: down.clientX, y: down.clientY };
    const moved = (event: PointerEvent): void => {
      card.style.transform = `translate(${event.clientX - origin.x}px, ${event.clientY - origin.y}px)`;
      const over = this.#cards.find((other) => other !== card && isInside(other, event));
      if (!over) return;
      this.#place(card, over);
      card.style.transform = "";
      const place = card.getBoundingClientRect();
      origin = { x: origin.x + place.x - home.x, y: origin.y + place.y - home.y };
      home = place;
      card.style.transform = `translate(${event.clientX - origin.x}px, ${event.clientY - origin.y}px)`;
      this.#number();
    };
    const dropped = (): void => {
      card.classList.remove("dragged");
      card.style.transform = "";
      card.removeEventListener("pointermove", moved);
      this.#tell(card);
    };
    card.addEventListener("pointermove", moved);
    card.addEventListener("lostpointercapture", dropped, { once: true });
  }

  /**
   * Gives a card the place of another. The others move around it: an element that leaves its
   * place loses the pointer that drags it, and the focus.
   */
  #place(card: HTMLElement, target: HTMLElement): void {
    const cards = this.#cards;
    const [from, to] = [cards.indexOf(card), cards.indexOf(target)];
    if (from < to) card.before(...cards.slice(from + 1, to + 1));
    else card.after(...cards.slice(to, from));
  }

  #number(): void {
    this.#cards.forEach((card, index) => {
      const place = card.querySelector(".rank-number");
      if (place) place.textContent = String(index + 1);
    });
  }

  #tell(card: HTMLElement): void {
    const place = this.#cards.indexOf(card) + 1;
    this.news.textContent = worded(say("rank.told", { name: card.getAttribute("aria-label") ?? "", place, count: this.#cards.length }));
  }
}

/** A finger drags by the picture, and scrolls the page elsewhere; a mouse may drag by all but what it can press. */
function isHandle({ target, pointerType }: PointerEvent): boolean {
  const held = target as Element;
  if (held.closest("button, audio, video")) return false;
  return pointerType !== "touch" || held.closest(".rank-picture") !== null;
}

/** Names what is put in order; of different kinds it says so. */
function rankingTitle(steps: readonly ImageStep[]): Wording {
  return say("rank.title", { things: things(steps.map(({ stimulus }) => stimulus)) });
}

function isInside(card: HTMLElement, { clientX, clientY }: PointerEvent): boolean {
  const { left, right, top, bottom } = card.getBoundingClientRect();
  return clientX > left && clientX < right && clientY > top && clientY < bottom;
}

function arrow(d: string): SVGElement {
  return drawn("svg", { viewBox: "0 0 24 24", width: 18, height: 18, "aria-hidden": "true" }, drawn("path", { d, class: "icon-line" }));
}
