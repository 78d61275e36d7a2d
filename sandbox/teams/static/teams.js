// The frame of the local Teams: who you are, which place you read, cards as you see them, and the dialog.
import { byId, el, face, send } from "/static/dom.js";
import { card, lines } from "./adaptive.js";

const me = { viewer: sessionStorage.getItem("teams-viewer") ?? "ann", place: sessionStorage.getItem("teams-place") ?? "" };
const drawn = new Map();
const notes = new Map();
const refreshed = new Set();
let picture = null;

const key = (message) => `${me.viewer} ${message.id}`;

async function told(message, answer) {
  const text = answer.problem || answer.shown || answer.told || "";
  notes.set(key(message), { text, bad: Boolean(answer.problem || answer.shown) });
  draw();
}

async function press(message, pressed) {
  notes.delete(key(message));
  await told(message, await send("/teams/ui/press", { viewer: me.viewer, place: message.place, id: message.id, ...pressed }));
}

async function refresh(message, automatic) {
  const answer = await send("/teams/ui/refresh", { viewer: me.viewer, place: message.place, id: message.id, automatic });
  if (!automatic) await told(message, answer);
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
    { class: `message${message.root ? " reply" : ""}${message.pings_you ? " pinged" : ""}`, id: `m${message.id}` },
    face({ id: message.author, name: message.author, bot: message.by_bot }),
    el(
      "div",
      { class: "what" },
      el("header", {}, el("b", {}, message.author), el("time", {}, when.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })),
        message.edited ? el("small", {}, "Edited") : null,
        message.own_view ? el("small", { class: "own" }, "As only you see it") : null),
      message.text.length ? el("p", { class: "said" }, lines(message.text)) : null,
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

// Only what changed is built anew, so that a half-filled field outlives somebody else's press.
function drawMessages(place) {
  const list = byId("messages");
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 80;
  const nodes = inOrder(place.messages).map((message) => {
    const look = JSON.stringify(message);
    const kept = drawn.get(key(message));
    const node = kept?.look === look ? kept.node : messageNode(message);
    drawn.set(key(message), { look, node });
    const note = notes.get(key(message)) ?? { text: "", bad: false };
    const line = node.querySelector(":scope > .what > .note");
    if (line.textContent !== note.text) line.textContent = note.text;
    line.classList.toggle("bad", note.bad);
    refreshAlone(message);
    return node;
  });
  const same = nodes.length === list.children.length && nodes.every((node, index) => node === list.children[index]);
  if (!same) list.replaceChildren(...nodes);
  if (atEnd) list.scrollTop = list.scrollHeight;
}

function sideItem(place) {
  const here = place.id === me.place;
  const open = () => {
    me.place = place.id;
    sessionStorage.setItem("teams-place", place.id);
    draw();
    byId("messages").focus({ preventScroll: true });
  };
  return el("li", {}, el("button", { type: "button", "aria-current": here ? "page" : null, on: { click: open } }, place.name));
}

function drawDialog() {
  const box = byId("dialog");
  if (!picture.dialog) {
    if (box.open) box.close();
    box.dataset.look = "";
    return;
  }
  const look = JSON.stringify([me.viewer, picture.dialog]);
  if (box.dataset.look !== look) {
    box.dataset.look = look;
    byId("dialog-title").textContent = picture.dialog.title;
    byId("dialog-note").textContent = "";
    byId("dialog-card").replaceChildren(card(picture.dialog.card, async (pressed) => {
      const answer = await send("/teams/ui/submit", { viewer: me.viewer, ...pressed });
      byId("dialog-note").textContent = answer.problem || answer.shown || answer.told || "";
    }));
  }
  if (!box.open) box.showModal();
}

function drawPeople() {
  const select = byId("person");
  if (select.options.length !== picture.people.length) {
    select.replaceChildren(...picture.people.map((person) => el("option", { value: person.id }, `${person.name.split(" ")[0]} · ${person.title}`)));
  }
  select.value = me.viewer;
  const person = picture.people.find((each) => each.id === me.viewer);
  byId("my-role").textContent = `${person.name} · ${person.title}`;
}

function draw() {
  if (!picture) return;
  const places = picture.places;
  const place = places.find((each) => each.id === me.place) ?? places.find((each) => each.name === "Approvals") ?? places[0];
  drawPeople();
  drawDialog();
  if (!place) return;
  me.place = place.id;
  byId("channels").replaceChildren(...places.filter((each) => each.scope === "channel").map(sideItem));
  byId("chats").replaceChildren(...places.filter((each) => each.scope !== "channel").map(sideItem));
  byId("place-name").textContent = place.name;
  byId("place-members").textContent = `${place.members} members`;
  drawMessages(place);
}

let loading = false;
let again = false;

async function load() {
  if (loading) {
    again = true;
    return;
  }
  loading = true;
  const asked = me.viewer;
  try {
    const answer = await fetch(`/teams/ui/state?viewer=${encodeURIComponent(asked)}`);
    if (answer.status === 404) me.viewer = "ann";
    else if (answer.ok && asked === me.viewer) {
      picture = await answer.json();
      byId("offline").hidden = true;
      draw();
    }
    again ||= asked !== me.viewer;
  } catch {
    byId("offline").hidden = false;
  } finally {
    loading = false;
  }
  if (again) {
    again = false;
    load();
  }
}

function connect() {
  const stream = new EventSource("/teams/ui/stream");
  stream.addEventListener("changed", load);
  stream.addEventListener("error", () => {
    byId("offline").hidden = false;
    if (stream.readyState === EventSource.CLOSED) setTimeout(connect, 1000);
  });
  addEventListener("pagehide", () => stream.close(), { once: true });
}

byId("person").addEventListener("change", (event) => {
  me.viewer = event.target.value;
  sessionStorage.setItem("teams-viewer", me.viewer);
  load();
});
byId("dialog-close").addEventListener("click", () => send("/teams/ui/close", { viewer: me.viewer }));
byId("dialog").addEventListener("cancel", () => send("/teams/ui/close", { viewer: me.viewer }));
byId("composer").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = byId("draft").value.trim();
  if (!text) return;
  byId("draft").value = "";
  const said = await send("/teams/ui/say", { viewer: me.viewer, place: me.place, text });
  if (said.problem) byId("draft").value = text;
});
connect();
