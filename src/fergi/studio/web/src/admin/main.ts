import "./admin.css";
import { element, fill } from "../interface/element";
import { say, type TextKey } from "../interface/language";
import { openPage, show } from "../interface/page";
import { Refusal, send } from "../studio/requests";
import { annotationsPage } from "./annotations_page";
import { linksPage } from "./links_page";
import { overviewPage } from "./overview_page";
import { participantPage } from "./participant_page";
import { participantsPage } from "./participants_page";
import { playerPage } from "./player_page";

/** A page gives its content, from the parts of the address behind its name. */
type AdminPage = (parts: readonly string[]) => Promise<Node[]>;

const PAGES: Readonly<Partial<Record<string, AdminPage>>> = {
  "": overviewPage,
  participants: (parts) => (parts.length > 2 ? playerPage(parts) : parts.length === 1 ? participantPage(parts) : participantsPage()),
  annotations: annotationsPage,
  links: linksPage,
};

const TABS: readonly (readonly [string, TextKey])[] = [
  ["", "admin.overview"],
  ["participants", "admin.participants"],
  ["annotations", "admin.annotations"],
  ["links", "admin.links"],
];

const page = openPage("admin.title");
addEventListener("hashchange", () => void open());
void start();

/** A token stands behind `#`; places of these pages begin with `#/`. */
async function start(): Promise<void> {
  const token = location.hash.slice(1);
  if (token === "" || token.startsWith("/")) {
    await open();
    return;
  }
  history.replaceState(null, "", location.pathname);
  await enter(token);
}

async function enter(token: string): Promise<void> {
  try {
    await send("POST", "/api/admin/session", { token });
    await open();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    askForToken(error.message);
  }
}

async function open(): Promise<void> {
  const [name = "", ...parts] = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  const content = PAGES[name] ?? overviewPage;
  try {
    const nodes = await content(parts);
    showTabs(name);
    show(page.main, ...nodes);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    if (error.status === 401) askForToken();
    else show(page.main, element("p", { class: "notice bad", role: "alert" }, error.message));
  }
}

function showTabs(current: string): void {
  const tabs = TABS.map(([name, key]) =>
    element("a", { href: `#/${name}`, class: "tab", "aria-current": name === current ? "page" : null }, say(key)),
  );
  fill(page.bar, element("nav", { class: "tabs", "aria-label": say("admin.pages") }, ...tabs));
}

function askForToken(problem?: string): void {
  const field = element("input", { id: "token", class: "field", type: "password", required: true, autocomplete: "off" });
  const form = element(
    "form",
    {
      class: "card login",
      submit: (event) => {
        event.preventDefault();
        void enter(field.value.trim());
      },
    },
    element("h1", {}, say("admin.login")),
    element("p", { class: "soft" }, say("admin.login-text")),
    problem === undefined ? null : element("p", { class: "notice bad", role: "alert" }, problem),
    element("label", { for: "token" }, say("admin.token")),
    field,
    element("div", { class: "actions" }, element("button", { type: "submit", class: "primary" }, say("admin.enter"))),
  );
  fill(page.bar);
  show(page.main, form);
}
