// The local Teams: its channels and chats, cards as you see them, and the dialog.
import { byId, dress, el, face, send } from "/static/dom.js";
import { time } from "/static/dates.js";
import { giveBack, whereabouts } from "/static/focus.js";
import { Frame } from "/static/frame.js";
import { card, carryOver, lines } from "./adaptive.js";

const drawn = new Map();
const notes = new Map();
const refreshed = new Set();
let opener = null;

const key = (message) => `${frame.viewer} ${message.id}`;

function told(message, answer) {
  const text = answer.problem || answer.shown || answer.told || "";
  notes.set(key(message), { text, bad: Boolean(answer.problem || answer.shown) });
  frame.draw();
}

async function press(message, pressed) {
  notes.delete(key(message));
  told(message, await send("/teams/ui/press", { viewer: frame.viewer, place: message.place, id: message.id, ...pressed }));
}

async function refresh(message, automatic) {
  const answer = await send("/teams/ui/refresh", { viewer: frame.viewer, place: message.place, id: message.id, automatic });
  if (!automatic) told(message, answer);
}

function refreshAlone(message) {
  const once = `${key(message)} ${message.version}`;
  if (!message.refresh || refreshed.has(once)) return;
  refreshed.add(once);
  refresh(message, true);
}

function messageNode(message) {
  const when = new Date(Number(message.id));
  return el(
    "li",
    { class: `message${message.root ? " reply" : ""}${message.pings_you ? " pinged" : ""}`, id: `m${message.id}`, tabindex: "-1" },
    face({ id: message.author, name: message.author, bot: message.by_bot }),
    el(
      "div",
      { class: "what" },
      el("header", {}, el("b", {}, message.author), el("time", { datetime: when.toISOString(), title: when.toString() }, time(when)),
        message.edited ? el("small", {}, "Edited") : null,
        message.own_view ? el("small", { class: "own" }, "As only you see it") : null),
      message.text.some((line) => line.runs?.some((run) => run.text.trim())) ? el("p", { class: "said" }, lines(message.text)) : null,
      message.card ? el("div", { class: "card" }, card(message.card, (pressed) => press(message, pressed))) : null,
      el("p", { class: "note", role: "status" }),
      message.card?.refresh ? el("button", { type: "button", class: "refresh", on: { click: () => refresh(message, false) } }, "Refresh card") : null,
    ),
  );
}

function inOrder(messages) {
  const tops = messages.filter((message) => !message.root || !messages.some((other) => other.id === message.root));
  return tops.flatMap((top) => [top, ...messages.filter((message) => message.root === top.id)]);
}

// Only what changed is built again, and what was typed into it is kept.
function messageNodes(place) {
  return inOrder(place.messages).map((message) => {
    const look = JSON.stringify(message);
    const kept = drawn.get(key(message));
    const node = kept?.look === look ? kept.node : messageNode(message);
    if (kept && kept.node !== node) carryOver(kept.node, node);
    drawn.set(key(message), { look, node });
    const note = notes.get(key(message)) ?? { text: "", bad: false };
    const line = node.querySelector(":scope > .what > .note");
    if (line.textContent !== note.text) line.textContent = note.text;
    line.classList.toggle("bad", note.bad);
    refreshAlone(message);
    return node;
  });
}

function drawDialog(viewer, dialog) {
  const box = byId("dialog");
  if (!dialog) {
    box.dataset.look = "";
    if (!box.open) return;
    box.close();
    giveBack(opener);
    return;
  }
  const look = JSON.stringify([viewer, dialog]);
  if (box.dataset.look !== look) {
    box.dataset.look = look;
    byId("dialog-title").textContent = dialog.title;
    byId("dialog-note").textContent = "";
    byId("dialog-card").replaceChildren(card(dialog.card, async (pressed) => {
      const answer = await send("/teams/ui/submit", { viewer, ...pressed });
      byId("dialog-note").textContent = answer.problem || answer.shown || answer.told || "";
    }));
  }
  if (box.open) return;
  opener = whereabouts();
  box.showModal();
}

function draw(frame, place) {
  drawDialog(frame.viewer, frame.picture.dialog);
  if (!place) return;
  byId("place-name").textContent = place.name;
  dress(byId("place-face"), { id: place.id, name: place.name });
  byId("place-members").textContent = `${place.members} members`;
  const nodes = messageNodes(place);
  frame.showMessages(nodes.length ? nodes : [el("li", { class: "empty" }, "No messages yet. Start an agent: when it needs approval, it asks here.")]);
}

const frame = new Frame({
  key: "teams",
  home: "/teams/ui",
  viewer: "ann",
  draw,
  places: (picture) =>
    picture.places.map((each) => ({ ...each, first: each.name === "Approvals", direct: each.scope !== "channel", sign: each.scope === "channel" ? "#" : "@" })),
  stamp: (message) => Number(message.id),
  own: (message, { picture, viewer }) => message.author === picture.people.find((each) => each.id === viewer)?.name,
  saying: ({ viewer, place }, text) => ({ viewer, place, text }),
});

const close = () => send("/teams/ui/close", { viewer: frame.viewer });
byId("dialog-close").addEventListener("click", close);
byId("dialog").addEventListener("cancel", (event) => {
  event.preventDefault();
  close();
});
