// A menu behind a "⋯" button, as both chats have for what does not stand on a card in the open.
import { el } from "./dom.js";

const STEPS = { ArrowDown: 1, ArrowUp: -1 };

// `entries`: {label, pick(button), disabled}. The menu is in the top layer, so that no scrolling box cuts it off.
export function menu({ label, entries, kind, data = {} }) {
  const choose = (entry) => () => {
    close();
    button.focus();
    entry.pick(button);
  };
  const items = entries.map((entry) =>
    el("button", { type: "button", role: "menuitem", tabindex: "-1", disabled: entry.disabled, title: entry.title, on: { click: choose(entry) } }, entry.label),
  );
  const list = el("div", { class: "menu", role: "menu", "aria-label": label, popover: "auto", on: { keydown: keys, toggle: toggled, focusout: left } }, items);
  const button = el(
    "button",
    { type: "button", class: kind, "aria-label": label, "aria-haspopup": "menu", "aria-expanded": "false", data, on: { click: () => open(0), keydown: opens } },
    el("span", { "aria-hidden": "true" }, "⋯"),
  );
  const enabled = () => items.filter((item) => !item.disabled);

  function open(at) {
    list.showPopover();
    const { left, right, top, bottom } = button.getBoundingClientRect();
    const [width, height] = [list.offsetWidth, list.offsetHeight];
    list.style.left = `${Math.max(8, Math.min(left, Math.max(right - width, innerWidth - width - 8)))}px`;
    list.style.top = `${bottom + height + 12 > innerHeight && top > height + 12 ? top - height - 4 : bottom + 4}px`;
    enabled().at(at)?.focus();
  }

  function close() {
    if (list.matches(":popover-open")) list.hidePopover();
  }

  function opens(event) {
    if (!(event.key in STEPS)) return;
    event.preventDefault();
    open(event.key === "ArrowUp" ? -1 : 0);
  }

  function keys(event) {
    const all = enabled();
    const at = all.indexOf(document.activeElement);
    const next = { Home: 0, End: all.length - 1 }[event.key] ?? (event.key in STEPS ? (at + STEPS[event.key] + all.length) % all.length : null);
    if (event.key === "Tab" || event.key === "Escape") {
      if (event.key === "Escape") event.preventDefault();
      close();
      button.focus();
    } else if (next !== null) {
      event.preventDefault();
      all[next].focus();
    }
    event.stopPropagation();
  }

  function toggled(event) {
    button.setAttribute("aria-expanded", String(event.newState === "open"));
  }

  function left(event) {
    if (event.relatedTarget && !list.contains(event.relatedTarget)) close();
  }

  return [button, list];
}
