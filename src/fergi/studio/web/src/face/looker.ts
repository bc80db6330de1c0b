import { FaceDetector, FaceLandmarker, FilesetResolver } from "@mediapipe/tasks-vision";
import type { Face, Sighting } from "./face";
import { headPose } from "./head_pose";
import { headRatios } from "./landmarks";
import { lightMeter } from "./light";
import { meshObserver } from "./mesh_estimator";
import type { Rotation } from "./rotation";
import { taskEntry } from "./task_file";

/** Gives what an estimator keeps of a face. */
type Observe = (mesh: Float64Array, blendshapes: Float64Array, rotation: Rotation) => Float64Array | null;

/**
 * Looks at single frames: box, score, mesh and blendshapes of the widest face.
 *
 * Each frame is searched anew and nothing is smoothed over time, as in `fergi extract`.
 */
export class Looker {
  readonly #light = lightMeter();

  private constructor(
    private readonly landmarker: FaceLandmarker,
    private readonly detector: FaceDetector,
    private readonly pose: (mesh: Float64Array) => Rotation,
    private readonly observe: Observe,
  ) {}

  /**
   * Loads the networks.
   *
   * @param task The bytes of `face_landmarker.task`.
   * @param weights Of the estimator of action units; null where the studio has none.
   * @param runtime Address of the folder with the WebAssembly.
   */
  static async open(task: ArrayBuffer, weights: ArrayBuffer | null, runtime: string): Promise<Looker> {
    const files = await FilesetResolver.forVisionTasks(runtime);
    const bytes = new Uint8Array(task);
    const pose = headPose(taskEntry(bytes, "geometry_pipeline_metadata_landmarks.binarypb"));
    const detector = await FaceDetector.createFromOptions(files, {
      baseOptions: { modelAssetBuffer: taskEntry(bytes, "face_detector.tflite"), delegate: "CPU" },
      runningMode: "IMAGE",
    });
    const landmarker = await FaceLandmarker.createFromOptions(files, {
      baseOptions: { modelAssetBuffer: bytes, delegate: "CPU" },
      runningMode: "IMAGE",
      outputFaceBlendshapes: true,
    });
    return new Looker(landmarker, detector, pose, weights ? meshObserver(weights) : () => null);
  }

  /** Looks at one frame, and closes it. */
  look(frame: ImageBitmap, time: number): Sighting {
    const started = performance.now();
    const face = this.#face(frame);
    frame.close();
    return {
      time,
      face,
      observation: face && this.observe(face.mesh, face.blendshapes, this.pose(face.mesh)),
      ratios: face && headRatios(face.mesh),
      cost: performance.now() - started,
    };
  }

  #face(frame: ImageBitmap): Face | null {
    const { detections } = this.detector.detect(frame);
    const widest = detections.reduce<(typeof detections)[number] | null>(
      (best, one) => ((one.boundingBox?.width ?? 0) > (best?.boundingBox?.width ?? 0) ? one : best),
      null,
    );
    const box = widest?.boundingBox;
    if (!box) return null;
    const found = this.landmarker.detect(frame);
    const [mesh] = found.faceLandmarks;
    const [blendshapes] = found.faceBlendshapes;
    if (!mesh || !blendshapes) return null;
    const corners = [box.originX, box.originY, box.width, box.height] as const;
    return {
      box: corners,
      score: widest.categories[0]?.score ?? 0,
      mesh: inPixels(mesh, frame.width, frame.height),
      blendshapes: Float64Array.from(blendshapes.categories, ({ score }) => score),
      light: this.#light(frame, corners),
    };
  }
}

/** z of the networks is on the scale of x. */
function inPixels(mesh: readonly { x: number; y: number; z: number }[], width: number, height: number): Float64Array {
  return Float64Array.from(mesh.flatMap(({ x, y, z }) => [x * width, y * height, z * width]));
}
