/** A model file that the studio serves. */
export type ModelName = "face_landmarker.task" | "mesh.safetensors" | "fau-net.safetensors";

/** A model file was not to be had; the message says what the studio answered. */
export class ModelError extends Error {}

/** A model's bytes, and their SHA-256 in hexadecimal digits. */
export interface Model {
  readonly bytes: ArrayBuffer;
  readonly sha256: string;
}

/** Loads a model file from the studio. */
export async function loadModel(name: ModelName): Promise<Model> {
  const response = await fetch(`/api/models/${name}`);
  if (!response.ok) throw new ModelError(await reason(response, name));
  const bytes = await response.arrayBuffer();
  return { bytes, sha256: await sha256(bytes) };
}

/** Gives the SHA-256 of bytes in hexadecimal digits. */
export async function sha256(bytes: ArrayBuffer | Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function reason(response: Response, name: string): Promise<string> {
  const problem = (await response.json().catch(() => ({}))) as { detail?: string };
  return problem.detail ?? `${name}: the studio answered ${response.status}`;
}
