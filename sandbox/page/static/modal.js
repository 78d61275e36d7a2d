// The real modal: the top view of the stack, with what was typed kept over a redraw.
import { announce, el, send } from "./dom.js";
import { giveBack, whereabouts } from "./focus.js";
import { renderBlock } from "./blocks.js";

export class Modals {
  constructor({ viewer, names }) {
    this.viewer = viewer;
    this.names = names;
    this.dialog = null;
    this.shown = "";
    this.drafts = new Map();
  }

  show(views) {
    const view = views.at(-1);
    const key = view ? `${this.viewer()} ${view.id} ${view.hash}` : "";
    if (key === this.shown) return;
    this.shown = key;
    this.errors = {};
    this.warning = "";
    if (!view) {
      this.dialog?.remove();
      this.dialog = null;
      giveBack(this.opener);
      return;
    }
    if (!this.dialog) this.opener = whereabouts();
    if (!this.drafts.has(view.id)) this.drafts.set(view.id, new Map());
    this.draw(view, 0);
  }

  draw(view, top) {
    const fresh = this.build(view);
    const place = this.dialog?.contains(document.activeElement) && this.dialog.dataset.view === view.id ? whereabouts() : null;
    this.dialog?.remove();
    this.dialog = fresh;
    document.body.append(fresh);
    fresh.showModal();
    fresh.querySelector(".body").scrollTop = top;
    const wrong = fresh.querySelector("[aria-invalid]");
    const field = fresh.querySelector(".field input, .field textarea, .field select");
    if (wrong || !place) (wrong ?? field)?.focus({ preventScroll: !wrong });
    else {
      document.activeElement?.blur();
      giveBack(place);
    }
  }

  build(view) {
    const scene = {
      names: this.names(),
      entered: this.drafts.get(view.id),
      errors: this.errors,
      act: (what) => this.press(view, what),
    };
    const close = () => this.close(view);
    const cancel = (event) => {
      event.preventDefault();
      close();
    };
    const form = el(
      "form",
      { novalidate: true, on: { submit: (event) => { event.preventDefault(); this.submit(view); } } },
      el(
        "header",
        {},
        el("span", { class: "face bot", "aria-hidden": "true" }, "✓"),
        el("h2", { id: "modal-title" }, view.title.text),
        el("button", { type: "button", class: "x", "aria-label": "Close", on: { click: close } }, "✕"),
      ),
      el("div", { class: "body" }, view.blocks.map((block) => renderBlock(block, scene))),
      el("p", { class: "warning", role: "alert", hidden: !this.warning }, this.warning),
      el(
        "footer",
        {},
        el("button", { type: "button", class: "btn", on: { click: close } }, view.close?.text ?? "Cancel"),
        view.submit ? el("button", { type: "submit", class: "btn primary" }, view.submit.text) : null,
      ),
    );
    return el("dialog", { id: "modal", class: "modal", "aria-labelledby": "modal-title", data: { view: view.id }, on: { cancel } }, form);
  }

  values(view) {
    return Object.fromEntries(this.drafts.get(view.id));
  }

  wait(busy) {
    this.dialog?.toggleAttribute("data-busy", busy);
    for (const control of this.dialog?.querySelectorAll("button") ?? []) control.setAttribute("aria-disabled", String(busy));
  }

  async press(view, { pressed, ...what }) {
    if (this.dialog?.hasAttribute("data-busy")) return;
    this.wait(true);
    const said = await send("/ui/view/click", { viewer: this.viewer(), view_id: view.id, values: this.values(view), ...what });
    this.wait(false);
    this.tell(said.problem || said.shown);
  }

  async submit(view) {
    if (this.dialog?.hasAttribute("data-busy")) return;
    this.wait(true);
    const said = await send("/ui/view/submit", { viewer: this.viewer(), view_id: view.id, values: this.values(view) });
    this.wait(false);
    this.errors = said.errors ?? {};
    this.warning = said.problem || said.shown || "";
    const top = this.dialog?.querySelector(".body")?.scrollTop ?? 0;
    if (this.warning || Object.keys(this.errors).length) this.draw(view, top);
  }

  async close(view) {
    this.drafts.delete(view.id);
    await send("/ui/view/close", { viewer: this.viewer(), view_id: view.id });
  }

  tell(text) {
    const place = this.dialog?.querySelector(".warning");
    if (!place) return;
    place.textContent = text ?? "";
    place.hidden = !text;
    if (text) announce(text);
  }
}
