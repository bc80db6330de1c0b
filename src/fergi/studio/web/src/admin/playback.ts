import { element } from "../interface/element";
import { say } from "../interface/language";

type Follower = (seconds: number) => void;

/** The clock of a clip: its video's where there is one, else its own. */
export class Playback {
  readonly controls: HTMLElement;
  readonly #followers: Follower[] = [];
  readonly #slider: HTMLInputElement;
  readonly #button = element("button", { type: "button", class: "button", click: () => { this.#turn(); } }, say("admin.play"));
  #started: number | null = null;
  #place = 0;

  constructor(
    private readonly seconds: number,
    private readonly video: HTMLVideoElement | null,
  ) {
    this.#slider = element("input", { type: "range", min: 0, max: seconds, step: 0.01, value: 0, "aria-label": say("admin.time"), input: () => { this.seek(Number(this.#slider.value)); } });
    this.controls = element("div", { class: "controls" }, this.#button, this.#slider);
  }

  /** Calls back with each moment that is shown, from the first on. */
  follow(follower: Follower): void {
    this.#followers.push(follower);
    requestAnimationFrame(() => { follower(this.#place); });
  }

  seek(seconds: number): void {
    this.#place = Math.min(this.seconds, Math.max(0, seconds));
    if (this.video) this.video.currentTime = this.#place;
    if (this.#started !== null) this.#started = performance.now() - 1000 * this.#place;
    this.#show();
  }

  #turn(): void {
    if (this.#started !== null) {
      this.#stop();
      return;
    }
    if (this.#place >= this.seconds - 0.02) this.seek(0);
    this.#started = performance.now() - 1000 * this.#place;
    void this.video?.play();
    this.#button.replaceChildren(element("span", {}, say("admin.stop")));
    requestAnimationFrame(() => { this.#run(); });
  }

  #run(): void {
    if (this.#started === null) return;
    this.#place = this.video ? this.video.currentTime : (performance.now() - this.#started) / 1000;
    this.#show();
    if (this.#place >= this.seconds || this.video?.ended) this.#stop();
    else requestAnimationFrame(() => { this.#run(); });
  }

  #stop(): void {
    this.#started = null;
    this.video?.pause();
    this.#button.replaceChildren(element("span", {}, say("admin.play")));
  }

  #show(): void {
    this.#slider.value = String(this.#place);
    for (const follower of this.#followers) follower(this.#place);
  }
}
