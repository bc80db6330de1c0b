import { cameraLost, closeCamera, openCamera, type Camera } from "../camera/camera";
import { watchFrames } from "../camera/frames";
import type { Sighting } from "../face/face";
import { meshEstimator, type Estimator } from "../face/mesh_estimator";
import { neutralObservation, type NeutralFrame } from "../face/neutral";
import { UNITS, type UnitValues } from "../face/units";
import { isValid } from "../face/validity";
import { fauNetValence, type Valence } from "../face/valence";
import { FaceWatcher } from "../face/watcher";
import { say, type Wording } from "../interface/language";
import { loadModel } from "../studio/models";
import { RequestCounter } from "./request_counter";
import { Stage } from "./stage";
import { verdict, type ValenceName } from "./verdict";

/** As long as a person can be asked to do nothing. */
const REST_MILLISECONDS = 2500;

/** Frames that are averaged: a tenth of a second at 30 a second, as in the paper. */
const SMOOTHED = 3;

interface Models {
  readonly watcher: FaceWatcher;
  readonly estimator: Estimator;
  readonly fauNet: Valence;
}

/** The camera is on, and what the face says is shown. Nothing is kept but the last seconds. */
export class Session {
  readonly #stage: Stage;
  readonly #recent: UnitValues[] = [];
  readonly #counter = new RequestCounter((count) => {
    this.#stage.countRequests(count);
  });
  #resting: NeutralFrame[] = [];
  #neutral: Float64Array | null = null;
  #valence: ValenceName = "fau-net";
  #stop: () => void = () => undefined;

  private constructor(
    private readonly camera: Camera,
    private readonly models: Models,
    private readonly closed: (problem?: Wording) => void,
  ) {
    this.#stage = new Stage(camera, {
      stop: () => { this.stop(); },
      restart: () => { this.#rest(); },
      choose: (valence) => (this.#valence = valence),
    });
  }

  /** Loads the models and turns the camera on. */
  static async open(closed: (problem?: Wording) => void): Promise<Session> {
    const models = await loadModels();
    try {
      return new Session(await openCamera(), models, closed);
    } catch (error) {
      models.watcher.close();
      throw error;
    }
  }

  get element(): HTMLElement {
    return this.#stage.element;
  }

  start(): void {
    this.#rest();
    this.#counter.start();
    void this.camera.video.play();
    this.#stop = watchFrames(this.camera.video, ({ time, video }) => {
      if (this.models.watcher.isReady) void this.#look(video, time);
    });
    void cameraLost(this.camera).then(() => {
      this.stop(say("camera.lost"));
    });
  }

  stop(problem?: Wording): void {
    this.#stop();
    this.#counter.stop();
    this.models.watcher.close();
    closeCamera(this.camera);
    this.closed(problem);
  }

  async #look(video: HTMLVideoElement, time: number): Promise<void> {
    const sighting = await this.models.watcher.look(await createImageBitmap(video), time);
    this.#stage.see(time, sighting.face, sighting.cost);
    if (this.#neutral) this.#follow(sighting, this.#neutral);
    else this.#watchRest(sighting);
  }

  #rest(): void {
    this.#resting = [];
    this.#neutral = null;
    this.#recent.length = 0;
    this.#stage.rest(0);
  }

  /** Gathers frames of a resting face until there are enough for a neutral. */
  #watchRest({ time, face, ratios, observation }: Sighting): void {
    const isSure = face !== null && ratios !== null && isValid(face.score, ratios);
    if (!isSure) this.#resting = [];
    else this.#resting.push({ time, isValid: true, observation });
    const rested = time - (this.#resting[0]?.time ?? time);
    if (rested >= REST_MILLISECONDS) this.#neutral = neutralObservation(this.#resting);
    this.#stage.rest(this.#neutral ? 1 : Math.min(0.99, Math.max(0.01, rested / REST_MILLISECONDS)));
  }

  #follow({ time, observation }: Sighting, neutral: Float64Array): void {
    if (!observation) {
      this.#stage.plot(time, null);
      return;
    }
    this.#recent.push(this.models.estimator(observation, neutral));
    if (this.#recent.length > SMOOTHED) this.#recent.shift();
    const smooth = UNITS.map((_, unit) => mean(this.#recent.map((values) => values[unit] ?? 0)));
    this.#stage.plot(time, smooth);
    this.#stage.judge(verdict(this.#valence, smooth, this.models.fauNet));
  }
}

async function loadModels(): Promise<Models> {
  const [task, mesh, fauNet] = await Promise.all([
    loadModel("face_landmarker.task"),
    loadModel("mesh.safetensors"),
    loadModel("fau-net.safetensors"),
  ]);
  return {
    watcher: await FaceWatcher.open(task.bytes, mesh.bytes),
    estimator: meshEstimator(mesh.bytes),
    fauNet: fauNetValence(fauNet.bytes),
  };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
