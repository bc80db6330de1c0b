import type { Sighting } from "./face";

/** What the page says to the worker that looks at faces. */
export type Request =
  | { readonly kind: "open"; readonly task: ArrayBuffer; readonly weights: ArrayBuffer | null; readonly runtime: string }
  | { readonly kind: "look"; readonly frame: ImageBitmap; readonly time: number };

/** What the worker answers: each request once, in their order. */
export type Answer =
  | { readonly kind: "open" }
  | { readonly kind: "seen"; readonly sighting: Sighting }
  | { readonly kind: "failed"; readonly reason: string };
