// Block Kit as DOM nodes: the card exactly as the app sent it. An unknown block is shown plainly, never hidden.
import { el } from "./dom.js";
import { textObject } from "./mrkdwn.js";
import { richText } from "./rich_text.js";
import { choice, field } from "./fields.js";
import { menu } from "./menu.js";

function confirmed(ask) {
  if (!ask) return Promise.resolve(true);
  return new Promise((resolve) => {
    const answer = (value) => () => dialog.close(value);
    const dialog = el(
      "dialog",
      { class: "modal small", "aria-label": ask.title.text, on: { close: () => { dialog.remove(); resolve(dialog.returnValue === "yes"); } } },
      el("header", {}, el("h2", {}, ask.title.text)),
      el("div", { class: "body" }, el("p", {}, textObject(ask.text, {}))),
      el(
        "footer",
        {},
        el("button", { type: "button", class: "btn", on: { click: answer("no") } }, ask.deny.text),
        el("button", { type: "button", class: `btn ${ask.style ?? "primary"}`, on: { click: answer("yes") } }, ask.confirm.text),
      ),
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}

function button(element, blockId, act) {
  const press = async (event) => {
    const pressed = event.currentTarget;
    if (!(await confirmed(element.confirm))) return;
    if (element.url) window.open(element.url, "_blank", "noopener,noreferrer");
    act({ action_id: element.action_id, block_id: blockId, pressed });
  };
  return el(
    "button",
    {
      type: "button",
      class: `btn ${element.style ?? ""}`,
      "aria-label": element.accessibility_label,
      data: { action: element.action_id },
      on: { click: press },
    },
    textObject(element.text, {}),
  );
}

function interactive(element, blockId, act) {
  if (element.type === "button") return button(element, blockId, act);
  if (element.type === "image") return el("span", { class: "picture" }, element.alt_text);
  const picked = async (option, pressed, url) => {
    if (!(await confirmed(element.confirm))) return;
    if (url) window.open(url, "_blank", "noopener,noreferrer");
    act({ action_id: element.action_id, block_id: blockId, option, pressed });
  };
  if (element.type !== "overflow") return choice(element, { picked });
  const entries = element.options.map((option) => ({
    label: textObject(option.text, {}),
    pick: (pressed) => picked(option.value, pressed, option.url),
  }));
  return menu({ label: "More actions", kind: "btn more", entries, data: { action: element.action_id } });
}

const RENDER = {
  header: (block) => el("h3", { class: "head" }, textObject(block.text, {})),
  divider: () => el("hr"),
  section: (block, { names, act }) =>
    el(
      "div",
      { class: "section" },
      el(
        "div",
        { class: "words" },
        block.text ? el("div", { class: "mrkdwn" }, textObject(block.text, names)) : null,
        block.fields ? el("div", { class: "fields" }, block.fields.map((text) => el("div", { class: "mrkdwn" }, textObject(text, names)))) : null,
      ),
      block.accessory ? interactive(block.accessory, block.block_id, act) : null,
    ),
  context: (block, { names }) =>
    el(
      "div",
      { class: "context" },
      block.elements.map((element) => el("span", {}, element.type === "image" ? element.alt_text : textObject(element, names))),
    ),
  actions: (block, { act }) =>
    el("div", { class: "actions" }, block.elements.map((element) => interactive(element, block.block_id, act))),
  image: (block) => el("p", { class: "picture" }, `${block.title?.text ?? "Picture"}: ${block.alt_text}`),
  rich_text: (block, { names }) => richText(block, names),
  input: (block, scene) => field(block, scene),
};

export function renderBlock(block, scene) {
  const render = RENDER[block.type];
  if (render) return render(block, scene);
  return el("pre", { class: "unknown" }, `${block.type}\n${JSON.stringify(block, null, 2)}`);
}
