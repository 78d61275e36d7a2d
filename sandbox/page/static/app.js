// The page's frame: who you are, which channel you read, and the live connection to the sandbox.
import { byId, dress, el, send } from "./dom.js";
import { Agents } from "./agents.js";
import { Chat } from "./chat.js";
import { Modals } from "./modal.js";

const me = {
  viewer: sessionStorage.getItem("viewer") ?? "U0ANN",
  channel: sessionStorage.getItem("channel") ?? "C0APPROVALS",
};
let picture = null;
let people = {};
let names = {};

const viewer = () => me.viewer;
const chat = new Chat({ viewer, names: () => names, people: () => people });
const modals = new Modals({ viewer, names: () => names });
const agents = new Agents();

const readKey = (channel) => `read ${me.viewer} ${channel.id}`;
const newest = (channel) => channel.messages.reduce((last, message) => (message.ts > last ? message.ts : last), "0");

function unread(channel) {
  const read = sessionStorage.getItem(readKey(channel)) ?? "0";
  return channel.messages.filter((message) => message.ts > read && message.user !== me.viewer).length;
}

function sideItem(channel) {
  const here = channel.id === me.channel;
  const count = here ? 0 : unread(channel);
  const open = () => {
    me.channel = channel.id;
    sessionStorage.setItem("channel", channel.id);
    showTab("chat");
    draw();
    byId("messages").focus({ preventScroll: true });
  };
  return el(
    "li",
    {},
    el(
      "button",
      { type: "button", class: `channel${count ? " unread" : ""}`, "aria-current": here ? "page" : null, on: { click: open } },
      el("span", { class: "sign", "aria-hidden": "true" }, channel.is_im ? "@" : "#"),
      el("span", { class: "label" }, channel.name),
      count ? el("b", { class: "badge" }, String(count), el("span", { class: "hidden" }, " unread")) : null,
    ),
  );
}

function drawPeople() {
  const humans = picture.people.filter((person) => !person.is_bot);
  const options = humans.map((person) =>
    el("option", { value: person.id, selected: person.id === me.viewer }, `${person.real_name.split(" ")[0]} · ${person.title}`),
  );
  const select = byId("person");
  if (select.options.length !== options.length) select.replaceChildren(...options);
  select.value = me.viewer;
  const person = people[me.viewer];
  byId("my-role").textContent = `${person.real_name} · ${person.title}`;
  byId("my-role").dataset.role = person.title;
  dress(byId("my-face"), { id: person.id, name: person.real_name });
}

function draw() {
  people = Object.fromEntries(picture.people.map((person) => [person.id, person]));
  names = { viewer: me.viewer, here: "here", channel: "channel", everyone: "everyone" };
  for (const person of picture.people) names[person.id] = person.real_name;
  for (const each of picture.channels) names[each.id] = each.name;
  const channel = picture.channels.find((each) => each.id === me.channel) ?? picture.channels[0];
  drawPeople();
  modals.show(picture.views);
  if (!channel) return;
  me.channel = channel.id;
  if (document.visibilityState === "visible") sessionStorage.setItem(readKey(channel), newest(channel));
  const directs = picture.channels.filter((each) => each.is_im);
  byId("channels").replaceChildren(...picture.channels.filter((each) => !each.is_im).map(sideItem));
  byId("directs").replaceChildren(...directs.map(sideItem));
  byId("directs-title").hidden = directs.length === 0;
  byId("channel-name").textContent = channel.is_im ? channel.name : `# ${channel.name}`;
  byId("channel-purpose").textContent = channel.is_archived ? "This channel is archived" : channel.purpose;
  byId("channel-members").textContent = `${channel.members} members`;
  byId("draft").placeholder = channel.is_im ? `Message ${channel.name}` : `Message #${channel.name}`;
  byId("composer").hidden = channel.is_archived;
  const others = picture.channels.reduce((sum, each) => sum + (each.id === me.channel ? 0 : unread(each)), 0);
  byId("tab-unread").textContent = String(others);
  byId("tab-unread").hidden = others === 0;
  chat.show(channel);
  const target = me.target && byId(`m${me.target}`);
  if (!target) return;
  me.target = null;
  target.scrollIntoView({ block: "center" });
  target.focus({ preventScroll: true });
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
    const answer = await fetch(`/ui/state?viewer=${encodeURIComponent(asked)}`);
    if (answer.status === 404) me.viewer = "U0ANN";
    else if (answer.ok && asked === me.viewer) {
      picture = await answer.json();
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
  const stream = new EventSource("/ui/stream");
  stream.addEventListener("hello", (event) => {
    byId("offline").hidden = true;
    const hello = JSON.parse(event.data);
    byId("to-teams").hidden = !hello.teams;
    agents.hello(hello);
    load();
  });
  stream.addEventListener("changed", load);
  stream.addEventListener("line", (event) => agents.line(JSON.parse(event.data)));
  stream.addEventListener("error", () => {
    byId("offline").hidden = false;
    // A browser gives up for good on some failures (a gateway's 502, for one); then begin anew.
    if (stream.readyState === EventSource.CLOSED) setTimeout(connect, 1000);
  });
  addEventListener("pagehide", () => stream.close(), { once: true });
}

function showTab(name) {
  byId("app").dataset.tab = name;
  for (const tab of document.querySelectorAll(".tabs button")) tab.setAttribute("aria-pressed", String(tab.dataset.tab === name));
}

function follow(path) {
  const [, channel, stamp] = /^\/archives\/(\w+)\/p(\d+)/.exec(path) ?? [];
  if (!channel) return;
  me.channel = channel;
  me.target = `${stamp.slice(0, -6)}.${stamp.slice(-6)}`;
  if (picture) draw();
}

for (const tab of document.querySelectorAll(".tabs button")) tab.addEventListener("click", () => showTab(tab.dataset.tab));
byId("person").addEventListener("change", (event) => {
  me.viewer = event.target.value;
  sessionStorage.setItem("viewer", me.viewer);
  load();
});
byId("composer").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = byId("draft").value.trim();
  if (!text) return;
  byId("draft").value = "";
  const said = await send("/ui/say", { viewer: me.viewer, channel: me.channel, text });
  if (said.problem) byId("draft").value = text;
});
document.addEventListener("click", (event) => {
  const permalink = event.target.closest?.("[data-permalink]");
  if (!permalink) return;
  event.preventDefault();
  follow(permalink.dataset.permalink);
});
document.addEventListener("visibilitychange", () => picture && draw());
follow(location.pathname);
connect();
