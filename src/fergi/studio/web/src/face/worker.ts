import { Looker } from "./looker";
import type { Answer, Request } from "./messages";

let looker: Looker | null = null;

async function answer(request: Request): Promise<Answer> {
  if (request.kind === "open") {
    looker = await Looker.open(request.task, request.weights, request.runtime);
    return { kind: "open" };
  }
  if (!looker) throw new Error("asked to look before the networks were loaded");
  return { kind: "seen", sighting: looker.look(request.frame, request.time) };
}

self.onmessage = async ({ data }: MessageEvent<Request>): Promise<void> => {
  try {
    self.postMessage(await answer(data));
  } catch (error) {
    self.postMessage({ kind: "failed", reason: String(error) } satisfies Answer);
  }
};
