// Inputs of modals, and choices in cards.
import { el } from "./dom.js";
import { textObject } from "./mrkdwn.js";

let count = 0;

function options(element, kind, name, initial, changed) {
  return el(
    "div",
    { class: "choices" },
    element.options.map((option) =>
      el(
        "label",
        {},
        el("input", { type: kind, name, value: option.value, checked: initial.includes(option.value), on: { change: changed } }),
        el("span", {}, textObject(option.text, {})),
        option.description ? el("small", {}, textObject(option.description, {})) : null,
      ),
    ),
  );
}

function initialOf(element) {
  if (element.initial_options) return element.initial_options.map((option) => option.value);
  return element.initial_option ? [element.initial_option.value] : [];
}

export function choice(element, { picked, id, initial = initialOf(element) }) {
  const name = `choice${(count += 1)}`;
  if (element.type === "radio_buttons" || element.type === "checkboxes") {
    const kind = element.type === "checkboxes" ? "checkbox" : "radio";
    return options(element, kind, name, initial, (event) => picked(event.target.value, event.target));
  }
  const title = element.placeholder?.text ?? "Choose…";
  return el(
    "select",
    { id, class: "btn", "aria-label": id ? null : title, on: { change: (event) => picked(event.target.value, event.target) } },
    el("option", { value: "" }, title),
    element.options.map((option) =>
      el("option", { value: option.value, selected: initial.includes(option.value) }, textObject(option.text, {})),
    ),
  );
}

function textInput(element, id, typed, changed) {
  const props = {
    id,
    maxlength: element.max_length ?? 3000,
    placeholder: element.placeholder?.text,
    on: { input: (event) => changed(event.target.value) },
  };
  const input = element.multiline ? el("textarea", { ...props, rows: 5 }) : el("input", { ...props, type: "text" });
  input.value = typed ?? element.initial_value ?? "";
  return input;
}

export function field(block, { entered, errors, names }) {
  const element = block.element;
  const id = `field${(count += 1)}`;
  const changed = (value) => entered.set(block.block_id, value);
  const typed = entered.get(block.block_id);
  let control;
  if (element.type === "plain_text_input") control = textInput(element, id, typed, changed);
  else if (element.type === "checkboxes") {
    control = choice(element, {
      picked: () => changed([...control.querySelectorAll("input:checked")].map((box) => box.value)),
      initial: typed,
    });
  } else control = choice(element, { picked: changed, id, initial: typed === undefined ? undefined : [typed] });
  const problem = errors[block.block_id];
  const labelled = control.id ? { for: id } : {};
  const target = control.id ? control : control.querySelector("input");
  if (problem) {
    target.setAttribute("aria-invalid", "true");
    target.setAttribute("aria-describedby", `${id}-problem`);
  }
  return el(
    "div",
    { class: "field" },
    el("label", labelled, textObject(block.label, names), block.optional ? el("small", {}, " (optional)") : null),
    control,
    block.hint ? el("p", { class: "hint" }, textObject(block.hint, names)) : null,
    problem ? el("p", { class: "problem", id: `${id}-problem` }, problem) : null,
  );
}
