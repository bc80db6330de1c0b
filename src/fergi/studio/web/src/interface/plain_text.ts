import { element } from "./element";

/** Lays out a text as people write it: paragraphs, `# headings` and `- lists`. */
export function plainText(text: string): HTMLElement[] {
  const blocks: HTMLElement[] = [];
  for (const line of text.trim().split("\n").map((one) => one.trim())) {
    const last = blocks.at(-1);
    const item = /^[-*•]\s+(.*)$/.exec(line)?.[1];
    if (line.startsWith("#")) blocks.push(element("h2", {}, line.replace(/^#+\s*/, "")));
    else if (item === undefined) blocks.push(element("p", {}, line));
    else if (last?.tagName === "UL") last.append(element("li", {}, item));
    else blocks.push(element("ul", {}, element("li", {}, item)));
  }
  return blocks.filter((block) => block.textContent !== "");
}
