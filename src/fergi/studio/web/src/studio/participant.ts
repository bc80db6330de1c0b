import { language } from "../interface/language";
import type { ConsentChoice, Progress, StimulusState, Study, Survey } from "./messages";
import { persistently, Refusal, request, send } from "./requests";

/** This browser's own secret to each link. */
const KEYS = "fergi-keys";

/** The link of this tab, and the last one that any tab of this browser joined by. */
const LINK = "fergi-link";

/** A participant's own view of the studio. */
export class Participant {
  private constructor(
    readonly study: Study,
    public progress: Progress,
  ) {}

  /**
   * Joins by a link, or comes back to where this browser was before.
   *
   * @param link The part of the address behind `#`, or what `knownLink` gives.
   * @throws Refusal If the link is used, revoked or unknown, or there is none.
   */
  static async join(link: string): Promise<Participant> {
    const body = { link, key: keyOf(link), language: language() };
    const progress = await send<Progress>("POST", "/api/participants", body);
    const study = await send<Study>("GET", `/api/participants/${progress.participant}/study`);
    return new Participant(study, progress);
  }

  get home(): string {
    return `/api/participants/${this.progress.participant}`;
  }

  async refresh(): Promise<Progress> {
    this.progress = await send<Progress>("GET", this.home);
    return this.progress;
  }

  async consent(choice: ConsentChoice, shown: string): Promise<void> {
    const text = this.study.consent.texts[shown];
    const given = { version: this.study.consent.version, sha256: text?.sha256, language: shown, choice };
    await send("PUT", `${this.home}/consent`, given);
    await this.refresh();
  }

  askStimulus(session: number, image: number): Promise<StimulusState> {
    return send("POST", `${this.home}/sessions/${session}/images/${image}/stimulus`);
  }

  /** Loads a stimulus that is ready. */
  async stimulus(address: string): Promise<Blob> {
    return (await persistently(() => request(address))).blob();
  }

  answer(session: number, image: number, survey: Survey): Promise<void> {
    return send("PUT", `${this.home}/sessions/${session}/images/${image}/survey`, survey);
  }

  rank(session: number, bestFirst: readonly number[]): Promise<void> {
    return send("PUT", `${this.home}/sessions/${session}/ranking`, { best_first: bestFirst });
  }

  writePrompt(session: number, prompt: string): Promise<void> {
    return send("PUT", `${this.home}/sessions/${session}/prompt`, { prompt });
  }

  async finish(): Promise<void> {
    this.progress = await send<Progress>("POST", `${this.home}/finish`);
  }

  /** Deletes all that the studio holds of this participant, and what this browser knows. */
  async withdraw(): Promise<void> {
    try {
      await send("DELETE", this.home);
    } catch (error) {
      // After a lost answer the same request finds nobody any more: done.
      if (!(error instanceof Refusal && error.status === 401)) throw error;
    }
    forget();
  }
}

/** Gives the link that this tab, or else this browser, joined by; empty where it never did. */
export function knownLink(): string {
  return sessionStorage.getItem(LINK) ?? localStorage.getItem(LINK) ?? "";
}

/** Gives the secret to a link, and keeps it before the first request: a lost answer loses nobody. */
function keyOf(link: string): string {
  const keys = storedKeys();
  const key = keys[link] ?? secret();
  localStorage.setItem(KEYS, JSON.stringify({ ...keys, [link]: key }));
  localStorage.setItem(LINK, link);
  sessionStorage.setItem(LINK, link);
  return key;
}

function forget(): void {
  const link = knownLink();
  const others = Object.entries(storedKeys()).filter(([other]) => other !== link);
  localStorage.setItem(KEYS, JSON.stringify(Object.fromEntries(others)));
  if (localStorage.getItem(LINK) === link) localStorage.removeItem(LINK);
  sessionStorage.removeItem(LINK);
}

function storedKeys(): Partial<Record<string, string>> {
  return JSON.parse(localStorage.getItem(KEYS) ?? "{}") as Partial<Record<string, string>>;
}

function secret(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
