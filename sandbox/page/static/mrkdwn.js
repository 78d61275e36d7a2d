// Slack's mrkdwn as DOM nodes: bold, italic, strike, code, quotes, links, mentions, dates, a few emoji.
import { el } from "./dom.js";
import { dated } from "./dates.js";

const EMOJI = {
  white_check_mark: "✅", x: "❌", warning: "⚠️", hourglass: "⌛", hourglass_flowing_sand: "⏳", bell: "🔔",
  no_entry: "⛔", no_entry_sign: "🚫", eyes: "👀", lock: "🔒", rotating_light: "🚨", robot_face: "🤖",
  information_source: "ℹ️", fast_forward: "⏩", black_right_pointing_double_triangle_with_vertical_bar: "⏭️",
  raising_hand: "🙋", memo: "📝", arrow_right: "➡️", link: "🔗", tada: "🎉", moneybag: "💰",
};

export const emoji = (name) => EMOJI[name] ?? `:${name}:`;

const unescaped = (text) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

export function link(address, label) {
  let url;
  try {
    url = new URL(address, location.href);
  } catch {
    return label;
  }
  if (!["http:", "https:", "mailto:"].includes(url.protocol)) return label;
  const here = url.origin === location.origin && url.pathname.startsWith("/archives/");
  const props = here ? { "data-permalink": url.pathname } : { target: "_blank", rel: "noopener noreferrer" };
  return el("a", { href: url.href, ...props }, label);
}

export function mention(kind, id, names, label) {
  const known = names[id];
  const sign = kind === "#" ? "#" : "@";
  return el("span", { class: `mention${id === names.viewer ? " you" : ""}` }, `${sign}${known ?? label ?? id}`);
}

function angled(inner, names) {
  const [target, label] = inner.split("|", 2);
  const kind = target[0];
  if (kind === "@" || kind === "#") return mention(kind, target.slice(1), names, label);
  if (kind !== "!") return link(unescaped(target), unescaped(label ?? target));
  const parts = target.slice(1).split("^");
  if (parts[0] === "date") {
    const shown = dated(parts[1], parts[2] ?? "", label ?? "");
    const stamp = new Date(Number(parts[1]) * 1000);
    const props = Number.isNaN(stamp.getTime()) ? {} : { datetime: stamp.toISOString(), title: stamp.toString() };
    const text = el("time", props, unescaped(shown));
    return parts[3] ? el("span", {}, link(parts[3], shown)) : text;
  }
  if (parts[0] === "subteam") return mention("@", parts[1], names, label?.replace(/^@/, ""));
  return mention("@", parts[0], names, parts[0]);
}

const INLINE = [
  { pattern: /```([\s\S]+?)```/, make: (m) => el("pre", {}, unescaped(m[1].replace(/^\n/, ""))) },
  { pattern: /`([^`\n]+)`/, make: (m) => el("code", {}, unescaped(m[1])) },
  { pattern: /<([^<>\n]+)>/, make: (m, names) => angled(m[1], names) },
  { pattern: /(?<![\w*])\*(?=\S)([^*\n]+?)(?<=\S)\*(?![\w*])/, make: (m, names) => el("strong", {}, inline(m[1], names)) },
  { pattern: /(?<![\w_])_(?=\S)([^_\n]+?)(?<=\S)_(?![\w_])/, make: (m, names) => el("em", {}, inline(m[1], names)) },
  { pattern: /(?<![\w~])~(?=\S)([^~\n]+?)(?<=\S)~(?![\w~])/, make: (m, names) => el("s", {}, inline(m[1], names)) },
  { pattern: /:([a-z0-9_+-]+):/, make: (m) => emoji(m[1]) },
];

function inline(text, names) {
  let first = null;
  for (const rule of INLINE) {
    const found = rule.pattern.exec(text);
    if (found && (first === null || found.index < first.found.index)) first = { found, rule };
  }
  if (first === null) return text ? [unescaped(text)] : [];
  const { found, rule } = first;
  const before = text.slice(0, found.index);
  const after = text.slice(found.index + found[0].length);
  return [before ? unescaped(before) : null, rule.make(found, names), ...inline(after, names)];
}

export function mrkdwn(text, names) {
  const parts = text.split(/(^(?:&gt;|>).*(?:\n(?:&gt;|>).*)*)/m);
  return parts.flatMap((part, index) => {
    if (index % 2 === 0) return inline(part, names);
    const quoted = part.split("\n").map((line) => line.replace(/^(&gt;|>)\s?/, "")).join("\n");
    return [el("blockquote", {}, inline(quoted, names))];
  });
}

export function textObject(object, names) {
  if (object.type === "mrkdwn") return mrkdwn(object.text, names);
  return [object.text.replace(/:([a-z0-9_+-]+):/g, (whole, name) => EMOJI[name] ?? whole)];
}
