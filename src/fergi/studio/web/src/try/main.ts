import "./try.css";
import { CameraError } from "../camera/camera";
import { element } from "../interface/element";
import { say, type Wording } from "../interface/language";
import { openPage, show } from "../interface/page";
import { Refusal } from "../studio/requests";

const page = openPage("try.title");
welcome();

function welcome(problem?: Wording | string): void {
  const start = element("button", { type: "button", class: "primary large", click: () => void begin(start) }, say("try.start"));
  show(
    page.main,
    element(
      "div",
      { class: "hero" },
      element("h1", {}, say("try.question")),
      element("p", {}, say("try.lead")),
      problem ? element("div", { class: "notice bad", role: "alert" }, element("p", {}, problem)) : null,
      start,
      element("ul", { class: "promises" }, promise("try.sent", "try.sent-how"), promise("try.stored", "try.stored-how"), promise("try.open", "try.open-how")),
    ),
  );
}

function promise(title: "try.sent" | "try.stored" | "try.open", text: "try.sent-how" | "try.stored-how" | "try.open-how"): HTMLElement {
  return element("li", { class: "card" }, element("strong", {}, say(title)), element("p", { class: "small" }, say(text)));
}

async function begin(button: HTMLButtonElement): Promise<void> {
  button.disabled = true;
  button.replaceChildren(element("span", {}, say("try.loading")));
  try {
    // Loaded only now: whoever just looks at the page needs none of it.
    const { Session } = await import("./session");
    const session = await Session.open(welcome);
    show(page.main, element("h1", { class: "hidden-text" }, say("try.title")), session.element);
    session.start();
  } catch (error) {
    welcome(reason(error));
  }
}

function reason(error: unknown): Wording | string {
  if (error instanceof CameraError) return say(`camera.${error.problem}`);
  return error instanceof Refusal ? error.message : say("try.failed", { reason: String(error) });
}
