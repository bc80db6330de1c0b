import { element, fill } from "../interface/element";
import { say } from "../interface/language";
import { send } from "../studio/requests";
import { moment, table } from "./figures";
import type { Link, NewLink } from "./messages";

/** Links for participants: making, listing, revoking. */
export async function linksPage(): Promise<Node[]> {
  const list = element("section", { class: "card" });
  await listLinks(list);
  return [element("h1", {}, say("admin.links")), element("p", { class: "soft" }, say("admin.links-text")), maker(list), list];
}

function maker(list: HTMLElement): HTMLElement {
  const made = element("div", { role: "status" });
  const form = element(
    "form",
    {
      class: "card maker",
      submit: (event) => {
        event.preventDefault();
        void make(new FormData(form), made, list);
      },
    },
    element("label", {}, say("admin.count"), element("input", { class: "field", type: "number", name: "count", min: 1, max: 500, value: 5, required: true })),
    element("label", {}, say("admin.label"), element("input", { class: "field", name: "label", maxlength: 100 })),
    element("button", { type: "submit", class: "primary" }, say("admin.make")),
  );
  return element("div", {}, form, made);
}

async function make(data: FormData, made: HTMLElement, list: HTMLElement): Promise<void> {
  const label = data.get("label");
  const wanted = { count: Number(data.get("count")), label: typeof label === "string" ? label : "", participant: null };
  const { links } = await send<{ links: NewLink[] }>("POST", "/api/admin/links", wanted);
  const all = links.map(({ address }) => address).join("\n");
  const copy = element("button", { type: "button", class: "button", click: () => void navigator.clipboard.writeText(all) }, say("admin.copy"));
  fill(made, element("div", { class: "card made" }, element("p", {}, say("admin.told-once")), element("pre", { tabindex: "0" }, all), copy));
  await listLinks(list);
}

async function listLinks(list: HTMLElement): Promise<void> {
  const { links } = await send<{ links: Link[] }>("GET", "/api/admin/links");
  const rows = links.map((link) => [
    element("code", {}, link.link_id),
    link.label,
    element("span", { class: `chip ${link.state === "open" ? "good" : ""}` }, say(`admin.link-${link.state}`)),
    link.participant ? element("a", { href: `#/participants/${link.participant}` }, link.participant) : "–",
    element("span", { class: "small soft" }, moment(link.created)),
    link.state === "revoked" ? null : revokeButton(link.link_id, list),
  ]);
  fill(list, table(say("admin.links"), [say("admin.link"), say("admin.label"), say("admin.state"), say("admin.participant"), say("admin.made"), say("admin.revoke")], rows));
}

function revokeButton(link: string, list: HTMLElement): HTMLElement {
  const revoke = async (): Promise<void> => {
    await send("DELETE", `/api/admin/links/${encodeURIComponent(link)}`);
    await listLinks(list);
  };
  return element("button", { type: "button", class: "quiet danger-text", click: () => void revoke() }, say("admin.revoke"));
}
