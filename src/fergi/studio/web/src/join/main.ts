import "./join.css";
import { element } from "../interface/element";
import { followLanguage, ofLanguage, say, worded, type Wording } from "../interface/language";
import { openPage, show } from "../interface/page";
import { ClipQueue } from "../studio/clip_queue";
import { knownLink, Participant } from "../studio/participant";
import { followConnection, Refusal } from "../studio/requests";
import type { Flow } from "./flow";
import { Pause } from "./pause";
import { showFarewell, withdrawButton } from "./screens/summary";

const page = openPage("join.title");
page.main.classList.add("narrow");
document.body.append(connectionNotice());
let flow: Flow | null = null;
addEventListener("unhandledrejection", ({ reason }) => { fail(reason); });

const link = location.hash.slice(1) || knownLink();
// Whoever looks at the screen, or gets the address copied, must not get the link with it.
history.replaceState(null, "", location.pathname);
void open();

async function open(): Promise<void> {
  if (link === "") {
    stop(say("join.no-link"));
    return;
  }
  show(page.main, element("div", { class: "centred" }, element("div", { class: "spinner", "aria-hidden": "true" }), element("p", { role: "status" }, say("join.loading"))));
  try {
    await takePart(await Participant.join(link));
  } catch (error) {
    fail(error);
  }
}

/** Says why it cannot go on. What was confirmed is safe, and the link leads back to it. */
function fail(error: unknown): void {
  // A browser gives this when a sound or a video is taken off the page; nothing has failed.
  if (error instanceof DOMException && error.name === "AbortError") return;
  flow?.close();
  page.bar.replaceChildren();
  if (error instanceof Refusal) stop(refusalText(error));
  else stop(say("join.failed", { reason: String(error) }), element("button", { type: "button", class: "primary large", click: () => { location.reload(); } }, say("join.reload")));
}

/** Says that the studio cannot be reached, as long as it cannot. */
function connectionNotice(): HTMLElement {
  const notice = element("p", { class: "toast", role: "status", hidden: true }, say("join.offline"));
  followConnection((isLost) => {
    notice.hidden = !isLost;
  });
  return notice;
}

async function takePart(participant: Participant): Promise<void> {
  const waiting = element("span", { class: "chip number", hidden: true });
  const progress = element("progress", { class: "done", max: 1, value: 0, "aria-label": say("join.progress"), hidden: true });
  const pause = new Pause();
  let count = 0;
  const queue = new ClipQueue(
    participant.home,
    (clips) => {
      count = clips;
      waiting.hidden = clips === 0;
      waiting.textContent = worded(say("join.waiting", { clips }));
    },
    (error) => {
      page.main.prepend(element("p", { class: "notice bad", role: "alert" }, error.message));
    },
  );
  page.bar.replaceChildren(progress, waiting, pause.button);
  addEventListener("beforeunload", (event) => {
    if (count > 0) event.preventDefault();
  });
  followLanguage(() => {
    document.title = ofLanguage(participant.study.title);
    return true;
  });
  if (participant.progress.finished !== null) {
    farewell(participant, queue);
    return;
  }
  void queue.send();
  // jsPsych and what belongs to the camera are loaded when there is someone to take part.
  const loaded = await import("./flow");
  page.main.replaceChildren();
  const display = element("div", { class: "flow" });
  page.main.append(display);
  flow = new loaded.Flow(
    participant,
    queue,
    pause,
    {
      progressed: (done, all) => {
        progress.hidden = false;
        progress.value = done / Math.max(all, 1);
      },
      pausable: (isPausable) => {
        pause.button.hidden = !isPausable;
      },
    },
    display,
  );
  const choice = await flow.run();
  page.bar.replaceChildren();
  if (choice === "nothing") showFarewell("end.nothing", "end.nothing-text");
  else farewell(participant, queue);
}

function farewell(participant: Participant, queue: ClipQueue): void {
  const until = participant.progress.kept_until?.slice(0, 10) ?? "–";
  showFarewell(
    "end.thanks",
    "end.thanks-text",
    element("p", { class: "soft" }, say("end.kept-until", { until })),
    element("div", { class: "actions" }, withdrawButton(participant, queue)),
  );
}

function refusalText(error: Refusal): Wording | string {
  if (error.kind === "link-used") return say("join.link-used");
  if (error.kind === "link-revoked" || error.kind === "link-expired") return say("join.link-over");
  return error.status === 401 || error.status === 404 ? say("join.link-unknown") : error.message;
}

function stop(text: Wording | string, ...more: HTMLElement[]): void {
  show(page.main, element("div", { class: "centred farewell" }, element("h1", {}, say("join.stopped")), element("p", {}, text), ...more));
}
