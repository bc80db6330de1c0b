import { BrowserStore } from "./browser_store";
import type { ClipReceipt, ClipRecord } from "./messages";
import { sha256 } from "./models";
import { persistently, Refusal, request, Unreachable } from "./requests";

/** A clip that the studio has not confirmed yet. */
interface WaitingClip {
  readonly record: ClipRecord;
  readonly video: Blob | null;
}

/**
 * Clips on their way to the studio.
 *
 * Each is in the browser's storage from its recording until the studio has confirmed it by hash,
 * so neither a lost connection nor a closed tab loses one.
 */
export class ClipQueue {
  readonly #store = new BrowserStore<WaitingClip>("clips");
  #sending: Promise<void> | null = null;

  /**
   * @param home Address of the participant.
   * @param changed Told how many clips wait, whenever that changes.
   * @param refused Told why the studio refuses a clip for good.
   */
  constructor(
    private readonly home: string,
    private readonly changed: (waiting: number) => void,
    private readonly refused: (error: Refusal) => void,
  ) {}

  /** Keeps a clip and begins to send it. */
  async add(place: string, record: ClipRecord, video: Blob | null): Promise<void> {
    await this.#store.put(this.#key(place), { record, video });
    void this.send();
  }

  /** Tells whether a clip waits here. */
  async has(place: string): Promise<boolean> {
    return (await this.#store.get(this.#key(place))) !== undefined;
  }

  /** Sends all that waits; done when nothing does. */
  async send(): Promise<void> {
    this.#sending ??= this.#sendAll().finally(() => {
      this.#sending = null;
    });
    await this.#sending;
    if ((await this.#keys()).length > 0) await this.send();
  }

  /** Forgets all that waits. */
  async clear(): Promise<void> {
    for (const key of await this.#keys()) await this.#store.remove(key);
    this.changed(0);
  }

  async #sendAll(): Promise<void> {
    for (;;) {
      const keys = await this.#keys();
      this.changed(keys.length);
      const [key] = keys;
      if (key === undefined) return;
      await this.#sendOne(key);
    }
  }

  async #sendOne(key: string): Promise<void> {
    const clip = await this.#store.get(key);
    try {
      if (clip) await persistently(() => deliver(key, clip));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      // What was confirmed before is safe; anything else that is refused would be so forever.
      if (error.kind !== "conflict") this.refused(error);
    }
    await this.#store.remove(key);
  }

  #key(place: string): string {
    return `${this.home}/clips/${place}`;
  }

  #keys(): Promise<string[]> {
    return this.#store.keys(`${this.home}/clips/`);
  }
}

async function deliver(address: string, { record, video }: WaitingClip): Promise<void> {
  const body = new TextEncoder().encode(JSON.stringify(record));
  const headers = { "Content-Type": "application/json" };
  const receipt = await receiptOf(request(address, { method: "PUT", headers, body }));
  if (receipt.record_sha256 !== (await sha256(body))) throw new Unreachable(null);
  if (!video || !record.video) return;
  const sent = await receiptOf(
    request(`${address}/video`, { method: "PUT", headers: { "Content-Type": record.video.type }, body: video }),
  );
  // Only bytes that the studio has read back from its disk may be forgotten here.
  if (sent.state !== "confirmed" || sent.video_sha256 !== record.video.sha256) throw new Unreachable(null);
}

async function receiptOf(answer: Promise<Response>): Promise<ClipReceipt> {
  return (await (await answer).json()) as ClipReceipt;
}
