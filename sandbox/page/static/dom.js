// Builds elements from data. Text only ever becomes text nodes, so what an agent wrote cannot become markup.

export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") node.className = value;
    else if (name === "on") for (const [kind, act] of Object.entries(value)) node.addEventListener(kind, act);
    else if (name === "data") Object.assign(node.dataset, value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export const byId = (id) => document.getElementById(id);

const FACES = 6;

export function dress(face, { id, name, bot = false }) {
  const sum = [...id].reduce((total, letter) => total + letter.codePointAt(0), 0);
  face.className = bot ? "face bot" : `face tint${sum % FACES}`;
  face.textContent = bot ? "✓" : name.slice(0, 1).toUpperCase();
  return face;
}

export function face(who) {
  return dress(el("span", { "aria-hidden": "true" }), who);
}

export async function send(path, body) {
  let answer;
  try {
    answer = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
  } catch {
    return { problem: "The sandbox cannot be reached." };
  }
  const said = await answer.json().catch(() => ({}));
  return answer.ok || said.problem ? said : { problem: `The sandbox answered ${answer.status}.` };
}

export function announce(text) {
  byId("news").textContent = text;
}

// The same nodes stay where they are: what does not move loses neither focus nor scroll position.
export function put(list, nodes) {
  nodes.forEach((node, index) => {
    if (list.children[index] !== node) list.insertBefore(node, list.children[index] ?? null);
  });
  while (list.children.length > nodes.length) list.lastChild.remove();
}
