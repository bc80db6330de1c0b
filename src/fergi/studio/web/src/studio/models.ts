import { request } from "./requests";

/** A model file that the studio serves. */
export type ModelName = "face_landmarker.task" | "mesh.safetensors" | "fau-net.safetensors";

/** A model's bytes, and their SHA-256 in hexadecimal digits. */
export interface Model {
  readonly bytes: ArrayBuffer;
  readonly sha256: string;
}

/**
 * Loads a model file from the studio.
 *
 * @throws Refusal If the studio does not have it; the message says what to do.
 * @throws Unreachable If it is worth to ask again.
 */
export async function loadModel(name: ModelName): Promise<Model> {
  const bytes = await (await request(`/api/models/${name}`)).arrayBuffer();
  return { bytes, sha256: await sha256(bytes) };
}

/** Gives the SHA-256 of bytes in hexadecimal digits. */
export async function sha256(bytes: ArrayBuffer | Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
