// rich_text blocks as DOM nodes. Their text is never parsed: it is shown exactly as it was written.
import { el } from "./dom.js";
import { dated } from "./dates.js";
import { emoji, link, mention } from "./mrkdwn.js";

const STYLES = [["code", "code"], ["bold", "strong"], ["italic", "em"], ["strike", "s"]];

function plain(piece, names) {
  switch (piece.type) {
    case "text": return piece.text;
    case "link": return link(piece.url, piece.text ?? piece.url);
    case "emoji": return emoji(piece.name);
    case "user": return mention("@", piece.user_id, names);
    case "usergroup": return mention("@", piece.usergroup_id, names);
    case "channel": return mention("#", piece.channel_id, names);
    case "broadcast": return mention("@", piece.range, names, piece.range);
    case "date": return el("time", {}, dated(piece.timestamp, piece.format, piece.fallback ?? ""));
    default: return piece.value ?? `[${piece.type}]`;
  }
}

function inline(pieces, names) {
  return pieces.map((piece) => {
    let node = plain(piece, names);
    for (const [style, tag] of STYLES) if (piece.style?.[style]) node = el(tag, {}, node);
    return node;
  });
}

function part(element, names) {
  switch (element.type) {
    case "rich_text_preformatted": return el("pre", { tabindex: "0" }, inline(element.elements, names));
    case "rich_text_quote": return el("blockquote", {}, inline(element.elements, names));
    case "rich_text_list": {
      const items = element.elements.map((item) => el("li", {}, inline(item.elements, names)));
      const list = el(element.style === "ordered" ? "ol" : "ul", { start: element.offset ? element.offset + 1 : null }, items);
      list.classList.add(`indent${Math.min(element.indent ?? 0, 4)}`);
      return list;
    }
    default: return el("p", {}, inline(element.elements, names));
  }
}

export function richText(block, names) {
  return el("div", { class: "rich" }, block.elements.map((element) => part(element, names)));
}
