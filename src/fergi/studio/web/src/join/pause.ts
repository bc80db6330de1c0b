import { element } from "../interface/element";
import { say } from "../interface/language";

/** Lets a person stop for a while; a clip that is being recorded is thrown away and made again. */
export class Pause {
  readonly button = element("button", { type: "button", class: "quiet", hidden: true, click: () => { this.begin(); } }, say("pause.button"));
  readonly #listeners = new Set<() => void>();
  #over: Promise<void> = Promise.resolve();

  begin(): void {
    for (const listen of this.#listeners) listen();
    const go = element("button", { type: "submit", class: "primary large" }, say("pause.go"));
    const dialog = element(
      "dialog",
      { "aria-labelledby": "paused" },
      element("h2", { id: "paused" }, say("pause.title")),
      element("p", {}, say("pause.text")),
      element("form", { method: "dialog" }, go),
    );
    this.#over = new Promise((resolve) => {
      dialog.addEventListener("close", () => {
        dialog.remove();
        resolve();
      });
    });
    document.body.append(dialog);
    dialog.showModal();
  }

  /** Waits while it lasts. */
  async over(): Promise<void> {
    await this.#over;
  }

  /**
   * Waits for something, unless a pause begins before.
   *
   * @returns Whether it came to its end.
   */
  async unlessPaused(lasting: Promise<unknown>): Promise<boolean> {
    let listen: () => void = () => undefined;
    const paused = new Promise<false>((resolve) => {
      listen = () => {
        resolve(false);
      };
      this.#listeners.add(listen);
    });
    const isDone = await Promise.race([lasting.then(() => true), paused]);
    this.#listeners.delete(listen);
    return isDone;
  }
}

/** Waits; a millisecond is as exact as browsers are. */
export function elapsed(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
}
