/** A camera that is on. */
export interface Camera {
  readonly stream: MediaStream;
  readonly video: HTMLVideoElement;
  readonly width: number;
  readonly height: number;
  readonly frameRate: number;
}

/** Why there is no camera. */
export type CameraProblem = "denied" | "none" | "busy" | "insecure";

export class CameraError extends Error {
  constructor(readonly problem: CameraProblem) {
    super(`no camera: ${problem}`);
  }
}

/**
 * Turns a camera on.
 *
 * @param device Its identifier; without one the browser chooses.
 * @throws CameraError If there is none, or the person or the browser refuses.
 */
export async function openCamera(device?: string): Promise<Camera> {
  const stream = await openStream(device);
  const video = document.createElement("video");
  Object.assign(video, { muted: true, playsInline: true, srcObject: stream });
  video.setAttribute("aria-hidden", "true");
  await video.play();
  const settings = stream.getVideoTracks()[0]?.getSettings();
  return {
    stream,
    video,
    width: video.videoWidth,
    height: video.videoHeight,
    frameRate: settings?.frameRate ?? 30,
  };
}

/** Turns a camera off. */
export function closeCamera(camera: Camera): void {
  for (const track of camera.stream.getTracks()) track.stop();
  camera.video.srcObject = null;
}

/** Settles when a camera has gone: unplugged, or taken away by the browser. */
export function cameraLost({ stream }: Camera): Promise<void> {
  const [track] = stream.getVideoTracks();
  return new Promise((resolve) => {
    track?.addEventListener("ended", () => {
      resolve();
    }, { once: true });
  });
}

/** Lists the cameras; their names are known once one has been turned on. */
export async function listCameras(): Promise<MediaDeviceInfo[]> {
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices.filter(({ kind }) => kind === "videoinput");
}

async function openStream(device?: string): Promise<MediaStream> {
  if (!window.isSecureContext) throw new CameraError("insecure");
  const ideal: MediaTrackConstraints = {
    width: { ideal: 640 },
    height: { ideal: 480 },
    frameRate: { ideal: 30 },
    ...(device ? { deviceId: { exact: device } } : { facingMode: "user" }),
  };
  try {
    return await navigator.mediaDevices.getUserMedia({ video: ideal, audio: false });
  } catch (error) {
    throw new CameraError(problemOf(error));
  }
}

function problemOf(error: unknown): CameraProblem {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError" || name === "SecurityError") return "denied";
  return name === "NotReadableError" || name === "AbortError" ? "busy" : "none";
}
