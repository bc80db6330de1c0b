import { UNITS } from "../face/units";
import { element } from "../interface/element";
import { say } from "../interface/language";
import { unitMeaning, unitTone } from "../interface/unit_names";
import { send } from "../studio/requests";
import { fact, facts, percent } from "./figures";
import type { ClipDetail, ParticipantDetail } from "./messages";
import { Playback } from "./playback";
import { SeriesCurve } from "./series_curve";
import { stimulusThumb } from "./stimulus_thumb";

/** A reaction: the video or only its curves, beside the image that it answers. */
export async function playerPage([participant = "", session = "", image = "", kind = ""]: readonly string[]): Promise<Node[]> {
  const home = `/api/admin/participants/${encodeURIComponent(participant)}`;
  const [clip, person] = await Promise.all([
    send<ClipDetail>("GET", `${home}/clips/${[session, image, kind].map(encodeURIComponent).join("/")}`),
    send<ParticipantDetail>("GET", home),
  ]);
  const shown = person.session_details.find((one) => one.session === Number(session));
  const stimulus = shown?.images.find((one) => one.image === Number(image))?.stimulus;
  return [
    element("p", { class: "small" }, element("a", { href: `#/participants/${participant}` }, say("admin.back-to", { participant }))),
    element("h1", {}, say(kind === "baseline" ? "admin.baseline-of" : "admin.reaction-of", { image, prompt: shown?.prompt ?? "" })),
    quality(clip),
    player(clip, stimulus ? stimulusThumb(stimulus, say("admin.image", { image })) : null),
  ];
}

function quality(clip: ClipDetail): HTMLElement {
  const number = (value: number | null, digits: number): string => value?.toFixed(digits) ?? "–";
  return facts(
    fact(clip.valid_share === null ? "–" : percent(clip.valid_share), say("admin.valid")),
    fact(number(clip.frame_rate, 1), say("admin.rate")),
    fact(clip.dropped_frames, say("admin.dropped-frames")),
    fact(number(clip.light, 2), say("admin.light")),
    fact(number(clip.valence, 3).replace("-", "−"), say("admin.valence")),
  );
}

function player(clip: ClipDetail, stimulus: HTMLElement | null): HTMLElement {
  const video = clip.video ? element("video", { src: clip.video, playsinline: true, muted: true, preload: "auto", "aria-label": say("admin.video") }) : null;
  const playback = new Playback(clip.seconds, video);
  const onset = clip.events.find(({ name }) => name === "stimulus-onset")?.seconds ?? null;
  return element(
    "div",
    { class: "player" },
    element(
      "div",
      { class: "player-left" },
      video ? element("div", { class: "picture" }, video) : stimulus,
      playback.controls,
      video ? stimulus : element("p", { class: "soft small" }, say("admin.no-video")),
    ),
    element("section", { class: "card", "aria-label": say("admin.curves") }, ...curves(clip, playback, onset)),
  );
}

function curves(clip: ClipDetail, playback: Playback, onset: number | null): HTMLElement[] {
  const { series } = clip;
  if (!series) return [element("p", { class: "soft" }, say("admin.no-series"))];
  return UNITS.map((unit) => {
    const column = series.units.indexOf(unit);
    const values = series.intensities.map((frame) => frame?.[column] ?? null);
    const curve = new SeriesCurve(series.times, values, clip.is_valid, onset, clip.seconds);
    playback.follow((seconds) => { curve.show(seconds); });
    curve.canvas.addEventListener("pointerdown", (event) => { playback.seek(curve.timeAt(event)); });
    const activation = clip.activation?.[`AU${unit}`];
    return element(
      "div",
      { class: `lane ${unitTone(unit)}` },
      element("div", { class: "lane-name" }, element("b", {}, `AU${unit}`), element("span", {}, say(unitMeaning(unit)))),
      element("div", { class: "lane-curve" }, curve.canvas),
      element("span", { class: "lane-value", title: say("admin.activation") }, activation?.toFixed(1) ?? "–"),
    );
  });
}
