import type { ByLanguage, ClipEvent, ClipState, ConsentChoice, ConsentRecord, Series, StimulusKind, Survey } from "../studio/messages";

/** What the researcher's pages are told; see `docs/studio-protocol.md`. */

export interface Overview {
  readonly title: ByLanguage;
  readonly folder: string;
  readonly languages: readonly string[];
  readonly consent_version: string;
  readonly retention_days: number;
  readonly counts: {
    readonly participants: number;
    readonly consented: number;
    readonly finished: number;
    readonly withdrawn: number;
    readonly clips: number;
    readonly videos: number;
    readonly bytes: number;
  };
  readonly prompts: readonly { readonly text: string; readonly stimuli: number }[];
  readonly address: string;
}

export interface ParticipantSummary {
  readonly participant: string;
  readonly joined: string;
  readonly last_seen: string;
  readonly language: string;
  readonly choice: ConsentChoice | null;
  readonly finished: string | null;
  readonly kept_until: string;
  readonly sessions: number;
  readonly sessions_complete: number;
  readonly clips: number;
  readonly clips_expected: number;
  readonly videos: number;
  readonly valid_share: number | null;
  readonly dropped_share: number | null;
  readonly light: number | null;
  readonly frame_rate: number | null;
}

export interface ClipSummary {
  readonly state: ClipState;
  readonly recorded: string;
  readonly seconds: number;
  readonly frames: number;
  readonly frame_rate: number | null;
  readonly valid_share: number | null;
  readonly dropped_frames: number;
  readonly light: number | null;
  readonly has_video: boolean;
  readonly has_series: boolean;
  readonly address: string;
}

export interface ImageDetail {
  readonly image: number;
  readonly stimulus: { readonly kind: StimulusKind; readonly type: string | null; readonly address: string };
  readonly survey: Survey | null;
  readonly baseline: ClipSummary | null;
  readonly reaction: ClipSummary | null;
}

export interface SessionDetail {
  readonly session: number;
  readonly prompt: string | null;
  readonly complete: boolean;
  readonly ranking: readonly number[] | null;
  readonly images: readonly ImageDetail[];
}

export interface ParticipantDetail extends ParticipantSummary {
  readonly consents: readonly ConsentRecord[];
  readonly neutral: ClipSummary | null;
  readonly session_details: readonly SessionDetail[];
}

export interface ClipDetail extends ClipSummary {
  readonly events: readonly ClipEvent[];
  readonly series: Omit<Series, "estimator" | "neutral"> | null;
  readonly is_valid: readonly boolean[] | null;
  readonly activation: Readonly<Record<string, number>> | null;
  readonly valence: number | null;
  readonly video: string | null;
}

export interface Annotation {
  readonly pair_id: string;
  readonly participant: string;
  readonly session: number;
  readonly prompt: string | null;
  readonly image_0: string;
  readonly image_1: string;
  readonly valence_0: number | null;
  readonly valence_1: number | null;
  readonly preferred: 0 | 1 | null;
  readonly confidence: number | null;
  readonly source: string;
}

export interface Annotations {
  readonly annotations: readonly Annotation[];
  readonly problems: readonly { readonly place: string; readonly reason: string }[];
}

export interface Link {
  readonly link_id: string;
  readonly label: string;
  readonly created: string;
  readonly expires: string;
  readonly state: "open" | "used" | "revoked" | "expired";
  readonly participant: string | null;
}

export interface NewLink {
  readonly link_id: string;
  readonly address: string;
}
