// The local Slack: its channels and direct messages, cards in them, and the modals in front.
import { byId } from "./dom.js";
import { Chat } from "./chat.js";
import { Frame } from "./frame.js";
import { Modals } from "./modal.js";

let people = {};
let names = {};
let target = null;

const viewer = () => frame.viewer;
const chat = new Chat({ viewer, names: () => names, people: () => people, show: (nodes) => frame.showMessages(nodes) });
const modals = new Modals({ viewer, names: () => names });

function draw(frame, channel) {
  const picture = frame.picture;
  people = Object.fromEntries(picture.people.map((person) => [person.id, person]));
  names = { viewer: frame.viewer, here: "here", channel: "channel", everyone: "everyone" };
  for (const person of picture.people) names[person.id] = person.real_name;
  for (const each of picture.channels) names[each.id] = each.name;
  modals.show(picture.views);
  if (!channel) return;
  byId("channel-name").textContent = channel.is_im ? channel.name : `# ${channel.name}`;
  byId("channel-purpose").textContent = channel.is_archived ? "This channel is archived" : channel.purpose;
  byId("channel-members").textContent = `${channel.members} members`;
  byId("draft").placeholder = channel.is_im ? `Message ${channel.name}` : `Message #${channel.name}`;
  byId("composer").hidden = channel.is_archived;
  chat.show(channel);
  const found = target && byId(`m${target}`);
  if (!found) return;
  target = null;
  found.scrollIntoView({ block: "center" });
  found.focus({ preventScroll: true });
}

const frame = new Frame({
  key: "slack",
  home: "/ui",
  viewer: "U0ANN",
  draw,
  places: (picture) =>
    picture.channels.map((each) => ({ ...each, first: each.id === "C0APPROVALS", direct: each.is_im, sign: each.is_im ? "@" : "#" })),
  stamp: (message) => Number(message.ts),
  own: (message, { viewer }) => message.user === viewer,
  saying: ({ viewer, place }, text) => ({ viewer, channel: place, text }),
});

function follow(path) {
  const [, channel, stamp] = /^\/archives\/(\w+)\/p(\d+)/.exec(path) ?? [];
  if (!channel) return;
  target = `${stamp.slice(0, -6)}.${stamp.slice(-6)}`;
  frame.go(channel);
}

document.addEventListener("click", (event) => {
  const permalink = event.target.closest?.("[data-permalink]");
  if (!permalink) return;
  event.preventDefault();
  follow(permalink.dataset.permalink);
});
follow(location.pathname);
