// What both chats' pages have in common: who you are, which place you read, the live connection, tabs on a phone.
import { Agents } from "./agents.js";
import { byId, dress, el, put, send } from "./dom.js";
import { keepingFocus } from "./focus.js";

const READER_ASKED_MS = 15_000;

// `chat`: {key, home: the address of its API, viewer: the first one, places(picture), stamp(message), own(message), draw(frame, place)}
export class Frame {
  constructor(chat) {
    this.chat = chat;
    this.picture = null;
    this.viewer = this.recalled("viewer") ?? chat.viewer;
    this.place = this.recalled("place") ?? "";
    this.agents = new Agents({ started: () => this.follow() });
    this.followUntil = 0;
    this.shown = "";
    this.below = 0;
    for (const tab of document.querySelectorAll(".tabs button")) tab.addEventListener("click", () => this.showTab(tab.dataset.tab));
    byId("person").addEventListener("change", (event) => this.be(event.target.value));
    byId("composer").addEventListener("submit", (event) => this.say(event));
    byId("newer").addEventListener("click", () => this.toEnd());
    byId("messages").addEventListener("scroll", () => this.offerNewer(0), { passive: true });
    document.addEventListener("visibilitychange", () => this.draw());
    this.connect();
  }

  recalled(what) {
    return sessionStorage.getItem(`${this.chat.key} ${what}`);
  }

  be(viewer) {
    this.viewer = viewer;
    sessionStorage.setItem(`${this.chat.key} viewer`, viewer);
    this.load();
  }

  go(place) {
    this.place = place;
    sessionStorage.setItem(`${this.chat.key} place`, place);
    this.showTab("chat");
    byId("messages").focus({ preventScroll: true });
    this.draw();
  }

  async say(event) {
    event.preventDefault();
    const draft = byId("draft");
    const text = draft.value.trim();
    if (!text) return;
    draft.value = "";
    this.follow();
    const said = await send(`${this.chat.home}/say`, this.chat.saying(this, text));
    if (said.problem) draft.value = text;
  }

  draw() {
    if (this.picture) keepingFocus(() => this.redraw());
  }

  redraw() {
    const places = this.chat.places(this.picture);
    const here = places.find((each) => each.id === this.place) ?? places.find((each) => each.first) ?? places[0];
    this.drawPeople();
    this.place = here?.id ?? "";
    if (here && document.visibilityState === "visible") sessionStorage.setItem(this.readKey(here), this.newest(here));
    const items = (wanted) => places.filter((each) => each.direct === wanted).map((each) => this.sideItem(each));
    byId("channels").replaceChildren(...items(false));
    byId("directs").replaceChildren(...items(true));
    byId("directs-title").hidden = !places.some((each) => each.direct);
    const others = places.reduce((sum, each) => sum + (each === here ? 0 : this.unread(each)), 0);
    byId("tab-unread").textContent = String(others);
    byId("tab-unread").hidden = others === 0;
    this.chat.draw(this, here);
  }

  drawPeople() {
    const humans = this.picture.people.filter((person) => !person.is_bot);
    const name = (person) => person.real_name ?? person.name;
    const select = byId("person");
    if (select.options.length !== humans.length) {
      select.replaceChildren(...humans.map((person) => el("option", { value: person.id }, `${name(person).split(" ")[0]} · ${person.title}`)));
    }
    select.value = this.viewer;
    const me = humans.find((person) => person.id === this.viewer);
    byId("my-role").textContent = `${name(me)} · ${me.title}`;
    byId("my-role").dataset.role = me.title;
    dress(byId("my-face"), { id: me.id, name: name(me) });
  }

  readKey(place) {
    return `${this.chat.key} read ${this.viewer} ${place.id}`;
  }

  newest(place) {
    return place.messages.reduce((last, message) => Math.max(last, this.chat.stamp(message)), 0);
  }

  unread(place) {
    const read = Number(sessionStorage.getItem(this.readKey(place)) ?? 0);
    return place.messages.filter((message) => this.chat.stamp(message) > read && !this.chat.own(message, this)).length;
  }

  sideItem(place) {
    const here = place.id === this.place;
    const count = here ? 0 : this.unread(place);
    return el(
      "li",
      { id: `side ${place.id}` },
      el(
        "button",
        { type: "button", class: `channel${count ? " unread" : ""}`, "aria-current": here ? "page" : null, data: { action: "open" }, on: { click: () => this.go(place.id) } },
        el("span", { class: "sign", "aria-hidden": "true" }, place.sign),
        el("span", { class: "label" }, place.name),
        count ? el("b", { class: "badge" }, String(count), el("span", { class: "hidden" }, " unread")) : null,
      ),
    );
  }

  // Never scrolls by itself, lest another button slides under the finger: what is new below is offered. The
  // reader is taken along where they changed the place, or just started an agent or wrote.
  showMessages(nodes) {
    const list = byId("messages");
    const shown = `${this.viewer} ${this.place}`;
    const moved = shown !== this.shown;
    const known = new Set(list.children);
    put(list, nodes);
    this.shown = shown;
    const fresh = moved ? 0 : nodes.filter((node) => node.id && !known.has(node) && !this.drawnBefore?.has(node.id)).length;
    this.drawnBefore = new Set(nodes.map((node) => node.id));
    if (moved || (fresh && Date.now() < this.followUntil && list.offsetParent)) this.toEnd();
    else this.offerNewer(fresh);
  }

  follow() {
    this.followUntil = Date.now() + READER_ASKED_MS;
  }

  toEnd() {
    const list = byId("messages");
    list.scrollTop = list.scrollHeight;
    this.followUntil = 0;
    this.below = 0;
    this.offerNewer(0);
  }

  offerNewer(fresh) {
    const list = byId("messages");
    this.below += fresh;
    if (!list.offsetParent) return; // on a phone, behind the agents
    if (list.scrollHeight - list.scrollTop - list.clientHeight < 40) this.below = 0;
    const pill = byId("newer");
    if (!this.below && document.activeElement === pill) list.focus({ preventScroll: true });
    pill.hidden = !this.below;
    if (this.below) pill.textContent = this.below === 1 ? "1 new message ↓" : `${this.below} new messages ↓`;
  }

  showTab(name) {
    byId("app").dataset.tab = name;
    for (const tab of document.querySelectorAll(".tabs button")) tab.setAttribute("aria-pressed", String(tab.dataset.tab === name));
    if (name === "chat") this.offerNewer(0);
  }

  async load() {
    if (this.loading) {
      this.again = true;
      return;
    }
    this.loading = true;
    this.again = false;
    const asked = this.viewer;
    try {
      const answer = await fetch(`${this.chat.home}/state?viewer=${encodeURIComponent(asked)}`);
      if (answer.status === 404) this.viewer = this.chat.viewer;
      else if (answer.ok && asked === this.viewer) {
        this.picture = await answer.json();
        this.draw();
      }
      this.again ||= asked !== this.viewer;
    } catch {
      byId("offline").hidden = false;
    } finally {
      this.loading = false;
    }
    if (this.again) this.load();
  }

  connect() {
    const stream = new EventSource(`${this.chat.home}/stream`);
    stream.addEventListener("hello", (event) => {
      byId("offline").hidden = true;
      const hello = JSON.parse(event.data);
      byId("other").hidden = !hello.other;
      this.agents.hello(hello);
      this.load();
    });
    stream.addEventListener("changed", () => this.load());
    stream.addEventListener("line", (event) => this.agents.line(JSON.parse(event.data)));
    stream.addEventListener("error", () => {
      byId("offline").hidden = false;
      // A browser gives up for good on some failures (a gateway's 502, for one); then begin again.
      if (stream.readyState === EventSource.CLOSED) setTimeout(() => this.connect(), 1000);
    });
    addEventListener("pagehide", () => stream.close(), { once: true });
  }
}
