// The messages of one channel: cards, threads, what only you see. Unchanged messages keep their DOM nodes.
import { dayTitle, time } from "./dates.js";
import { announce, el, face, send } from "./dom.js";
import { keepingFocus } from "./focus.js";
import { mrkdwn } from "./mrkdwn.js";
import { renderBlock } from "./blocks.js";

// A text as it is read out: without mrkdwn's signs.
const spoken = (text, names) => el("span", {}, mrkdwn(text, names)).textContent;

export class Chat {
  constructor({ viewer, names, people, show }) {
    this.viewer = viewer;
    this.names = names;
    this.people = people;
    this.put = show;
    this.kept = new Map();
    this.opened = new Map();
    this.warnings = new Map();
    this.channel = null;
  }

  show(channel) {
    this.channel = channel;
    const tops = channel.messages.filter((message) => !message.thread_ts || message.thread_ts === message.ts);
    const nodes = [];
    let day = "";
    for (const message of tops) {
      const title = dayTitle(new Date(Number(message.ts) * 1000));
      if (title !== day) nodes.push(this.keep(`day ${title}`, title, () => el("li", { class: "day" }, el("span", {}, title))));
      day = title;
      const replies = channel.messages.filter((reply) => reply.thread_ts === message.ts && reply.ts !== message.ts);
      nodes.push(this.top(message, replies));
    }
    if (!nodes.length) nodes.push(el("li", { class: "empty" }, "No messages yet. Start an agent: when it needs approval, it asks here."));
    this.put(nodes);
  }

  keep(key, signature, make) {
    const whole = `${this.viewer()} ${signature}`;
    const kept = this.kept.get(key);
    if (kept?.signature === whole) return kept.node;
    const node = make();
    this.kept.set(key, { signature: whole, node });
    return node;
  }

  top(message, replies) {
    const open = this.opened.get(message.ts) ?? replies.some((reply) => reply.ephemeral);
    const parts = [message, ...replies].map((each) => `${each.ts}/${each.version}/${this.warning(each)}`);
    return this.keep(`${this.channel.id} ${message.ts}`, `${parts} ${open}`, () =>
      el("li", { class: `message${message.ephemeral ? " ephemeral" : ""}`, id: `m${message.ts}`, tabindex: "-1" }, this.body(message), this.thread(message, replies, open)),
    );
  }

  thread(message, replies, open) {
    if (!replies.length) return null;
    const toggle = () => {
      this.opened.set(message.ts, !open);
      keepingFocus(() => this.show(this.channel));
      document.querySelector(`[id="m${message.ts}"] .replies`)?.focus({ preventScroll: true });
    };
    const count = replies.length === 1 ? "1 reply" : `${replies.length} replies`;
    const last = time(new Date(Number(replies.at(-1).ts) * 1000));
    return el(
      "div",
      { class: "threadbox" },
      el(
        "button",
        { type: "button", class: "replies", "aria-expanded": String(open), on: { click: toggle } },
        el("b", {}, count),
        el("span", {}, open ? "Hide" : `Last at ${last}`),
      ),
      open ? el("ol", { class: "thread" }, replies.map((reply) => el("li", { class: `message${reply.ephemeral ? " ephemeral" : ""}` }, this.body(reply)))) : null,
    );
  }

  body(message) {
    const who = this.people()[message.user] ?? { id: message.user, real_name: message.user };
    const at = new Date(Number(message.ts) * 1000);
    const warning = this.warning(message);
    const names = this.names();
    const act = (what) => this.press(message, what);
    const content = message.blocks
      ? el("div", { class: "card" }, message.blocks.map((block) => renderBlock(block, { names, act, entered: new Map(), errors: {} })))
      : el("div", { class: "mrkdwn said" }, mrkdwn(message.text, names));
    return el(
      "article",
      { class: "entry", "aria-label": `${who.real_name}: ${spoken(message.text, names)}`.slice(0, 200) },
      face({ id: who.id, name: who.real_name, bot: who.is_bot }),
      el(
        "div",
        { class: "content" },
        message.ephemeral ? el("p", { class: "only" }, "Only visible to you") : null,
        el(
          "p",
          { class: "byline" },
          el("b", {}, who.real_name),
          who.is_bot ? el("span", { class: "tag" }, "App") : null,
          el("time", { datetime: at.toISOString(), title: at.toString() }, time(at)),
        ),
        content,
        message.edited ? el("span", { class: "edited" }, "(edited)") : null,
        warning ? el("p", { class: "warning", role: "alert" }, `⚠ ${warning}`) : null,
      ),
    );
  }

  warning(message) {
    return this.warnings.get(`${this.viewer()} ${message.ts}`) ?? "";
  }

  async press(message, { pressed, ...what }) {
    const card = pressed.closest(".card");
    if (card.querySelector("[aria-busy]")) return;
    // Not `disabled`: that would throw keyboard users out of the card.
    const buttons = card.querySelectorAll("button, select, input");
    for (const button of buttons) button.setAttribute("aria-disabled", "true");
    pressed.setAttribute("aria-busy", "true");
    const viewer = this.viewer();
    const said = await send("/ui/click", {
      viewer,
      channel: this.channel.id,
      ts: message.ts,
      version: message.version,
      ...what,
    });
    for (const button of buttons) button.removeAttribute("aria-disabled");
    pressed.removeAttribute("aria-busy");
    const warning = said.problem || said.shown || "";
    this.warnings.set(`${viewer} ${message.ts}`, warning);
    if (warning) announce(warning);
    if (this.channel) keepingFocus(() => this.show(this.channel));
  }
}
