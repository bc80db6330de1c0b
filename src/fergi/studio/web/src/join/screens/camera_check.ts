import { CameraError, listCameras, openCamera } from "../../camera/camera";
import { CameraFeed } from "../../camera/feed";
import { hintsOf, type Hint } from "../../camera/hints";
import type { Sighting } from "../../face/face";
import type { FaceWatcher } from "../../face/watcher";
import { element, fill } from "../../interface/element";
import { drawFaceLines } from "../../interface/face_lines";
import { say } from "../../interface/language";
import { show } from "../../interface/page";
import type { Screen } from "../screen_plugin";

/** How long all must be well before it counts. */
const STEADY_MILLISECONDS = 1000;

/** After this a person may go on although something is not as it should be. */
const PATIENCE_MILLISECONDS = 12_000;

/** Lets a person choose a camera and see whether all is well; keeps the camera on. */
export function cameraScreen(watcher: FaceWatcher | null, opened: (feed: CameraFeed) => void): Screen {
  return async (display, ready) => {
    const check = new CameraCheck(watcher);
    show(display, element("h1", {}, say("check.title")), element("p", { class: "soft" }, say("check.lead")), check.element);
    ready();
    const feed = await check.passed();
    opened(feed);
    return { width: feed.camera.width, height: feed.camera.height, frame_rate: feed.rate.perSecond };
  };
}

/** The picture, what is well and what is not, and the way on. */
export class CameraCheck {
  readonly #picture = element("div", { class: "picture" });
  readonly #lines = element("canvas", { "aria-hidden": "true" });
  readonly #hints = element("ul", { class: "hints", "aria-live": "polite" });
  readonly #choice = element("select", { class: "field", id: "camera", change: () => void this.#open(this.#choice.value) });
  readonly #go = element("button", { type: "button", class: "primary large", disabled: true }, say("check.go"));
  readonly #problem = element("div", { role: "alert" });
  readonly #began = performance.now();
  #feed: CameraFeed | null = null;
  #wellSince: number | null = null;
  #shown = "";
  readonly #endings: (() => void)[] = [];

  constructor(private readonly watcher: FaceWatcher | null) {}

  get element(): HTMLElement {
    return element(
      "div",
      { class: "check" },
      this.#picture,
      element(
        "div",
        { class: "card" },
        element("label", { for: "camera", class: "small soft" }, say("check.camera")),
        this.#choice,
        this.#hints,
        this.#problem,
        element("div", { class: "actions" }, this.#go),
      ),
    );
  }

  /** Waits until a camera is on and the person goes on. */
  async passed(): Promise<CameraFeed> {
    await this.#open();
    await new Promise((resolve) => {
      this.#go.addEventListener("click", resolve, { once: true });
    });
    this.#rest();
    const feed = this.#feed;
    if (!feed) throw new Error("went on without a camera");
    this.#feed = null;
    return feed;
  }

  async #open(device?: string): Promise<void> {
    this.#problem.replaceChildren();
    this.#rest();
    this.#feed?.close();
    this.#feed = null;
    this.#go.disabled = true;
    try {
      const camera = await openCamera(device);
      this.#feed = new CameraFeed(camera, this.watcher);
      fill(this.#picture, camera.video, this.#lines);
      await camera.video.play();
      await this.#list(camera.stream);
      this.#watch(this.#feed);
      void this.#feed.lost.then(() => {
        if (this.#feed?.camera === camera) void this.#open();
      });
    } catch (error) {
      if (!(error instanceof CameraError)) throw error;
      const again = element("button", { type: "button", class: "button", click: () => void this.#open() }, say("check.again"));
      this.#show([]);
      fill(this.#problem, element("p", { class: "notice bad" }, say(`camera.${error.problem}`)), again);
    }
  }

  async #list(stream: MediaStream): Promise<void> {
    const used = stream.getVideoTracks()[0]?.getSettings().deviceId;
    const cameras = await listCameras();
    const options = cameras.map(({ deviceId, label }, index) =>
      element("option", { value: deviceId, selected: deviceId === used }, label || say("check.camera-number", { number: index + 1 })),
    );
    fill(this.#choice, ...options);
  }

  #watch(feed: CameraFeed): void {
    this.#endings.push(
      feed.onFrame(() => {
        if (!this.watcher) this.#judge(null, feed);
      }),
      feed.onSighting((sighting) => {
        drawFaceLines(this.#lines, sighting.face, feed.camera.width, feed.camera.height);
        this.#judge(sighting, feed);
      }),
    );
  }

  #rest(): void {
    for (const end of this.#endings.splice(0)) end();
  }

  #judge(sighting: Sighting | null, feed: CameraFeed): void {
    const hints = hintsOf(sighting, feed.camera, feed.rate.perSecond);
    const now = performance.now();
    const isWell = hints.every(({ state }) => state !== "bad");
    this.#wellSince = isWell ? (this.#wellSince ?? now) : null;
    const isSteady = this.#wellSince !== null && now - this.#wellSince > STEADY_MILLISECONDS;
    this.#go.disabled = !isSteady && now - this.#began < PATIENCE_MILLISECONDS;
    this.#show(hints);
  }

  /** Changes the list only when it says something else, or a screen reader would never rest. */
  #show(hints: readonly Hint[]): void {
    const said = hints.map(({ key, state }) => `${key}:${state}`).join();
    if (said === this.#shown) return;
    this.#shown = said;
    fill(this.#hints, ...hints.map(({ key, state }) => element("li", { class: `hint ${state}` }, say(key))));
  }
}
