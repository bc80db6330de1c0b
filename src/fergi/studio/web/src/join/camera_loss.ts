import type { CameraFeed } from "../camera/feed";
import type { FaceWatcher } from "../face/watcher";
import { element } from "../interface/element";
import { say } from "../interface/language";
import type { Pause } from "./pause";
import { CameraCheck } from "./screens/camera_check";

/** Asks, over whatever is on the screen, for a camera in place of one that has gone. */
export async function anotherCamera(watcher: FaceWatcher | null, pause: Pause): Promise<CameraFeed> {
  const check = new CameraCheck(watcher);
  // Nothing can be recorded before there is a camera, so Escape must not close it.
  const dialog = element("dialog", { class: "wide", "aria-labelledby": "camera-lost", closedby: "none", cancel: (event) => { event.preventDefault(); } });
  dialog.append(element("h2", { id: "camera-lost" }, say("camera.lost")), element("p", {}, say("camera.lost-text")), check.element);
  pause.interrupt(dialog);
  const feed = await check.passed();
  dialog.close();
  return feed;
}
