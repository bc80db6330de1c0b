/** What the studio and its pages say to each other; see `docs/studio-protocol.md`. */

export type ByLanguage = Readonly<Partial<Record<string, string>>>;
export type ConsentChoice = "features" | "video" | "nothing";
export type ClipKind = "baseline" | "reaction";
export type ClipState = "missing" | "awaiting-video" | "confirmed";
export type StimulusKind = "image" | "video" | "audio" | "text";
export type RatingName = "overall_rating" | "alignment_rating" | "fidelity_rating";

export interface ConsentRecord {
  readonly version: string;
  readonly sha256: string;
  readonly language: string;
  readonly choice: ConsentChoice;
  readonly given: string;
}

export interface SessionProgress {
  readonly session: number;
  readonly prompt: string | null;
  readonly clips: readonly { readonly image: number; readonly kind: ClipKind; readonly state: ClipState }[];
  readonly survey: readonly number[];
  readonly ranked: boolean;
  readonly complete: boolean;
}

export interface Progress {
  readonly participant: string;
  readonly language: string;
  readonly joined: string;
  readonly consent: ConsentRecord | null;
  readonly neutral: ClipState;
  readonly sessions: readonly SessionProgress[];
  readonly finished: string | null;
  readonly kept_until: string | null;
}

export interface Stimulus {
  readonly image: number;
  readonly kind: StimulusKind;
  readonly state: "ready" | "waiting" | "failed";
  readonly address: string;
}

export interface StudySession {
  readonly session: number;
  readonly prompt: string | null;
  readonly images: readonly Stimulus[];
}

export interface ExtraQuestion {
  readonly name: string;
  readonly text: ByLanguage;
  readonly kind: "scale" | "text";
  readonly lowest?: number;
  readonly highest?: number;
}

export interface Study {
  readonly title: ByLanguage;
  readonly languages: readonly string[];
  readonly introduction: ByLanguage;
  readonly consent: {
    readonly version: string;
    readonly choices: readonly ConsentChoice[];
    readonly texts: Readonly<Partial<Record<string, { readonly text: string; readonly sha256: string }>>>;
  };
  readonly timing: {
    readonly neutral_seconds: number;
    readonly baseline_seconds: number;
    readonly reaction_seconds: number;
  };
  readonly questions: {
    readonly ratings: readonly RatingName[];
    readonly issues: readonly string[];
    readonly reactions: readonly string[];
    readonly ranking: boolean;
    readonly extra: readonly ExtraQuestion[];
  };
  readonly prompts_by_participant: boolean;
  readonly limits: {
    readonly clip_bytes: number;
    readonly clip_seconds: number;
    readonly clip_frames: number;
    readonly prompt_characters: number;
  };
  readonly models: Readonly<Partial<Record<string, { readonly sha256: string; readonly bytes: number }>>>;
  readonly sessions: readonly StudySession[];
}

export interface ClipEvent {
  readonly name: string;
  readonly seconds: number;
}

export interface Series {
  readonly estimator: { readonly name: string; readonly sha256: string; readonly scale: string };
  readonly neutral: boolean;
  readonly times: readonly number[];
  readonly face_confidence: readonly (number | null)[];
  readonly pitch_ratio: readonly (number | null)[];
  readonly yaw_ratio: readonly (number | null)[];
  readonly units: readonly number[];
  readonly intensities: readonly (readonly number[] | null)[];
}

export interface ClipRecord {
  readonly recorded: string;
  readonly seconds: number;
  readonly events: readonly ClipEvent[];
  readonly camera: {
    readonly width: number;
    readonly height: number;
    readonly frame_rate: number;
    readonly label: null;
  };
  readonly quality: { readonly frames: number; readonly dropped_frames: number; readonly light: number | null };
  readonly series: Series | null;
  readonly video: { readonly sha256: string; readonly bytes: number; readonly type: string } | null;
}

export interface ClipReceipt {
  readonly state: ClipState;
  readonly record_sha256: string;
  readonly video_sha256: string | null;
  readonly valid_share: number | null;
}

export interface Survey {
  readonly overall_rating: number | null;
  readonly alignment_rating: number | null;
  readonly fidelity_rating: number | null;
  readonly issues: readonly string[];
  readonly reactions: readonly string[];
  readonly extra: Readonly<Record<string, number | string>>;
}

export interface StimulusState {
  readonly state: "ready" | "waiting" | "failed";
  readonly type: string | null;
  readonly detail: string | null;
}
