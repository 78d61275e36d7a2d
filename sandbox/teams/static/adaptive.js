// Adaptive Cards as Teams shows them. Text only ever becomes text nodes; what Teams parses was parsed by the sandbox.
import { el } from "/static/dom.js";
import { menu } from "/static/menu.js";

const low = (word, other) => String(word ?? other).toLowerCase();
const looks = (node) =>
  ["size", "weight", "color", "fontType"].map((name) => (node[name] ? `${name}-${low(node[name])}` : "")).join(" ");

// learn.microsoft.com/adaptive-cards/authoring-cards/text-features: DATE and TIME in the reader's own zone.
const SHORT = { weekday: "short", month: "short", day: "numeric", year: "numeric" };
const moments = (text) =>
  text.replace(/\{\{(DATE|TIME)\(([^,)]+)(?:,\s*(COMPACT|SHORT|LONG))?\)\}\}/g, (whole, kind, iso, form) => {
    const at = new Date(iso);
    if (Number.isNaN(at.getTime())) return whole;
    if (kind === "TIME") return at.toLocaleTimeString([], { hour: "numeric", minute: "2-digit" });
    return form === "SHORT" || form === "LONG" ? at.toLocaleDateString([], SHORT) : at.toLocaleDateString();
  });

function run(piece) {
  const words = `${piece.bold ? " bold" : ""}${piece.italic ? " italic" : ""}${piece.at ? " at" : ""}`;
  if (piece.link) return el("a", { class: `piece link${words}`, href: safe(piece.link), rel: "noreferrer", target: "_blank" }, piece.text);
  return el("span", { class: `piece${words}` }, moments(piece.text));
}

const safe = (address) => (/^https?:/i.test(address) ? address : "#");

export function lines(all) {
  return all.map((line) => el("span", { class: `row ${line.kind}` }, (line.runs ?? []).map(run)));
}

// The client itself holds back a press while a required field is empty.
function gathered(button) {
  const values = {};
  let complete = true;
  for (let box = button.closest(".ac"); box; box = box.parentElement.closest(".ac")) {
    for (const field of box.querySelectorAll("[data-input]")) {
      if (field.closest(".ac") !== box) continue;
      const value = read(field);
      if (value !== null) values[field.dataset.input] = value;
      const wrong = field.closest(".field").querySelector(".wrong");
      wrong.hidden = Boolean(value) || !field.closest(".field").dataset.required;
      complete &&= wrong.hidden;
    }
  }
  return complete ? values : null;
}

function read(field) {
  if (field.type === "checkbox") return field.checked ? field.dataset.on : field.dataset.off;
  if (field.tagName !== "FIELDSET") return field.tagName === "SELECT" && !field.value ? null : field.value;
  const picked = [...field.querySelectorAll("input:checked")].map((each) => each.value);
  return picked.length ? picked.join(",") : null;
}

function choices(node) {
  if (low(node.style) === "expanded" || node.isMultiSelect) {
    const kind = node.isMultiSelect ? "checkbox" : "radio";
    const boxes = (node.choices ?? []).map((choice) =>
      el("label", {}, el("input", { type: kind, name: node.id, value: choice.value, checked: choice.value === node.value }), choice.title),
    );
    return el("fieldset", { data: { input: node.id }, "aria-label": node.label ?? node.id }, boxes);
  }
  const options = [el("option", { value: "" }, node.placeholder ?? ""), ...(node.choices ?? []).map((choice) =>
    el("option", { value: choice.value, selected: choice.value === node.value }, choice.title),
  )];
  return el("select", { data: { input: node.id }, "aria-label": node.label ?? node.id }, options);
}

function input(node) {
  const common = { data: { input: node.id }, "aria-label": node.label ?? node.placeholder ?? node.id, maxlength: node.maxLength, placeholder: node.placeholder };
  let field;
  if (node.type === "Input.ChoiceSet") field = choices(node);
  else if (node.type === "Input.Toggle") {
    const on = node.valueOn ?? "true";
    const box = el("input", { type: "checkbox", checked: node.value === on, data: { input: node.id, on, off: node.valueOff ?? "false" } });
    field = el("label", {}, box, node.title);
  } else if (node.isMultiline) field = el("textarea", { ...common, rows: 3 }, node.value ?? "");
  else field = el("input", { ...common, value: node.value });
  const wrong = el("span", { class: "wrong", role: "alert", hidden: true }, node.errorMessage ?? "This is a required input");
  return el("div", { class: "field", data: node.isRequired ? { required: "yes" } : {} }, node.label ? el("span", { class: "label" }, node.label, node.isRequired ? " *" : "") : null, field, wrong);
}

const sends = (action) => action.type === "Action.Execute" || action.type === "Action.Submit";

function pressed(action, from, act) {
  const values = gathered(from);
  if (values) act({ press: action.press, values });
}

function button(action, act) {
  if (action.type === "Action.OpenUrl") return el("a", { class: "press", href: safe(action.url), target: "_blank", rel: "noreferrer" }, action.title ?? "");
  const node = el("button", { type: "button", class: `press ${low(action.style, "default")}`, title: action.tooltip, disabled: action.isEnabled === false }, action.title ?? "");
  if (sends(action)) node.addEventListener("click", () => pressed(action, node, act));
  return node;
}

// learn.microsoft.com/adaptive-cards, Action.mode: what is secondary stands behind the row's overflow button.
function overflow(all, act) {
  const entries = all.map((action) => ({
    label: action.title ?? "",
    title: action.tooltip,
    disabled: action.isEnabled === false,
    pick: (from) => {
      if (action.type === "Action.OpenUrl") open(safe(action.url), "_blank", "noopener,noreferrer");
      else if (sends(action)) pressed(action, from, act);
    },
  }));
  return menu({ label: "More actions", kind: "press more", entries });
}

function actions(all, act) {
  const inner = el("div", { class: "shown" });
  const row = el("div", { class: "actions" });
  const behind = (action) => low(action.mode, "primary") === "secondary" && action.type !== "Action.ShowCard";
  for (const action of all.filter((each) => !behind(each))) {
    const node = button(action, act);
    row.append(node);
    if (action.type !== "Action.ShowCard") continue;
    const box = card(action.card ?? {}, act);
    box.hidden = true;
    inner.append(box);
    node.setAttribute("aria-expanded", "false");
    node.addEventListener("click", () => {
      box.hidden = !box.hidden;
      node.setAttribute("aria-expanded", String(!box.hidden));
    });
  }
  const secondary = all.filter(behind);
  if (secondary.length) row.append(...overflow(secondary, act));
  return [row, inner];
}

const elements = {
  TextBlock: (node) => el(low(node.style, "default") === "heading" ? "h3" : "p", { class: `text ${looks(node)}${node.isSubtle ? " subtle" : ""}${node.wrap ? "" : " nowrap"}` }, lines(node.lines)),
  RichTextBlock: (node) =>
    el("p", { class: "rich" }, node.inlines.map((inline) => {
      const piece = typeof inline === "string" ? { text: inline } : inline;
      const words = ["italic", "strikethrough", "underline", "highlight"].filter((name) => piece[name]).join(" ");
      return el("span", { class: `piece ${looks(piece)} ${words}${piece.isSubtle ? " subtle" : ""}` }, piece.text);
    })),
  Container: (node, act) => el("div", { class: `container style-${low(node.style, "default")}` }, body(node.items, act)),
  ColumnSet: (node, act) =>
    el("div", { class: "columns" }, (node.columns ?? []).map((column) => el("div", { class: `column spacing-${low(column.spacing, "default")} ${column.width === "stretch" ? "stretch" : ""}` }, body(column.items, act)))),
  FactSet: (node) =>
    el("dl", {}, node.facts.flatMap((fact) => [el("dt", {}, lines(fact.lines.title)), el("dd", {}, lines(fact.lines.value))])),
  ActionSet: (node, act) => el("div", {}, actions(node.actions, act)),
  Table: (node, act) =>
    el("table", {}, (node.rows ?? []).map((row) => el("tr", {}, (row.cells ?? []).map((cell) => el("td", {}, body(cell.items, act)))))),
  Image: (node) => el("span", { class: "image" }, node.altText ?? "image"),
};

function body(items, act) {
  return (items ?? []).filter((node) => node.isVisible !== false).map((node) => {
    const made = (elements[node.type] ?? input)(node, act);
    if (node.separator) made.classList.add("separator");
    return made;
  });
}

export function card(content, act) {
  return el("div", { class: "ac" }, body(content.body, act), content.actions?.length ? actions(content.actions, act) : []);
}

// What was typed, ticked and unfolded in a card goes on in the card that takes its place.
export function carryOver(old, fresh) {
  const same = (node) => (other) => other.dataset.input === node.dataset.input && other.tagName === node.tagName;
  const unfolded = [...old.querySelectorAll('[aria-expanded="true"]:not([aria-haspopup])')].map((button) => button.textContent);
  for (const button of fresh.querySelectorAll("[aria-expanded]:not([aria-haspopup])")) if (unfolded.includes(button.textContent)) button.click();
  for (const field of old.querySelectorAll("[data-input]")) {
    const other = [...fresh.querySelectorAll("[data-input]")].find(same(field));
    if (!other) continue;
    if (field.tagName !== "FIELDSET" && field.type !== "checkbox") other.value = field.value;
    else for (const box of [other, ...other.querySelectorAll("input")]) if (box.type) box.checked = [field, ...field.querySelectorAll("input")].some((one) => one.checked && one.value === box.value);
  }
}
