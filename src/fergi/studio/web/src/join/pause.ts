import { element } from "../interface/element";
import { say } from "../interface/language";
import type { CameraExtension } from "./camera_extension";

/** Lets a person stop for a while; a clip that is being recorded is thrown away and made again. */
export class Pause {
  readonly button = element("button", { type: "button", class: "quiet", hidden: true, click: () => { this.begin(); } }, say("pause.button"));
  readonly #listeners = new Set<() => void>();
  #over: Promise<void> = Promise.resolve();

  begin(): void {
    const go = element("button", { type: "submit", class: "primary large" }, say("pause.go"));
    const dialog = element(
      "dialog",
      { "aria-labelledby": "paused" },
      element("h2", { id: "paused" }, say("pause.title")),
      element("p", {}, say("pause.text")),
      element("form", { method: "dialog" }, go),
    );
    this.interrupt(dialog);
  }

  /** Breaks off what is being recorded, until a dialog is closed. */
  interrupt(dialog: HTMLDialogElement): void {
    for (const listen of this.#listeners) listen();
    const closed = new Promise<void>((resolve) => {
      dialog.addEventListener("close", () => {
        dialog.remove();
        resolve();
      });
    });
    const before = this.#over;
    this.#over = closed.then(() => before);
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

/**
 * Lasts while a clip is recorded, from its first frame on; a pause, or a camera that goes, throws
 * the clip away.
 *
 * @returns Whether it came to its end.
 */
export async function whileRecorded(camera: CameraExtension, pause: Pause, lasting: () => Promise<unknown>): Promise<boolean> {
  const isDone = (await pause.unlessPaused(camera.firstFrame())) && (await pause.unlessPaused(lasting()));
  if (!isDone) camera.abandon();
  await pause.over();
  return isDone;
}

/** Waits; a millisecond is as exact as browsers are. */
export function elapsed(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
}
