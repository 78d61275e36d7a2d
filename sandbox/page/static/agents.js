// The agents beside the chat: start one, watch what it does, see how much time is left to answer.
import { announce, byId, el, face, send } from "./dom.js";
import { time } from "./dates.js";

const MARKS = {
  started: "▸", says: "“", calls: "→", tool: "✓", waits: "…", approved: "✓", rejected: "✕",
  skipped: "↷", timeout_skip: "⌛", finished: "■", cancelled: "■",
};
const ENDED = { finished: "Finished", cancelled: "Stopped" };
const ANSWERED = { approved: "Approved", rejected: "Rejected", skipped: "Skipped", timeout_skip: "Nobody answered" };

// "mail_agent" is spoken "Mail agent", "hr_agent" is spoken "HR agent".
const spoken = (name) => name.replaceAll("_", " ").replace(/^(\w\w\b|\w)/, (start) => start.toUpperCase());

function panel() {
  const window = (seconds, label) =>
    el("label", {}, el("input", { type: "radio", name: "window", value: seconds, checked: seconds === 60 }), el("span", {}, label));
  return [
    el("header", { class: "bar" }, el("div", { class: "where" }, el("h2", { id: "agents-title" }, "Agents"), el("p", {}, "Start one, then answer its request in the chat."))),
    el(
      "div",
      { class: "scroll", tabindex: "0", role: "group", "aria-labelledby": "agents-title" },
      el("fieldset", { class: "window" }, el("legend", {}, "Time to answer"), el("div", { class: "segments" }, window(20, "20 s"), window(60, "60 s"), window(180, "3 min"))),
      el("ul", { id: "cast", "aria-label": "Agents to start" }),
      el("h3", { id: "runs-title" }, "Activity"),
      el("p", { id: "no-runs", class: "quiet" }, "Nothing yet. An agent works until it needs approval."),
      el("ol", { id: "runs", "aria-labelledby": "runs-title" }),
    ),
  ];
}

export class Agents {
  // `started` is called when the reader started one.
  constructor({ started }) {
    this.started = started;
    this.runs = new Map();
    this.late = 0;
    byId("agents").append(...panel());
    setInterval(() => this.tick(), 250);
  }

  hello({ now, agents }) {
    this.late = Date.now() / 1000 - now;
    this.runs.clear();
    byId("runs").replaceChildren();
    byId("no-runs").hidden = false;
    byId("cast").replaceChildren(...agents.map((agent) => this.card(agent)));
    this.tick();
  }

  card(agent) {
    const start = async () => {
      this.started();
      const seconds = Number(document.querySelector("input[name=window]:checked").value);
      const said = await send("/ui/agents/start", { agent: agent.name, seconds });
      announce(said.problem ?? `${spoken(agent.name)} started`);
    };
    return el(
      "li",
      { class: "agent" },
      face({ id: agent.name, name: agent.name }),
      el("div", { class: "about" }, el("b", {}, spoken(agent.name)), el("p", { title: agent.about }, agent.about)),
      el("button", { type: "button", class: "btn", "aria-label": `Start ${spoken(agent.name)}`, on: { click: start } }, "Start"),
    );
  }

  line(line) {
    const run = this.runs.get(line.run_id) ?? this.begin(line);
    const stamp = new Date(line.at * 1000);
    run.log.append(
      el(
        "li",
        { class: `line ${line.kind}` },
        el("span", { class: "mark", "aria-hidden": "true" }, MARKS[line.kind] ?? "·"),
        el("span", { class: "text" }, line.text),
        el("time", { datetime: stamp.toISOString() }, time(stamp)),
      ),
    );
    const fresh = Date.now() / 1000 - (line.at + this.late) < 5;
    if (fresh && (line.kind === "waits" || line.kind in ANSWERED)) announce(`${spoken(line.agent)}: ${line.text}`);
    if (line.kind === "waits" && line.deadline) run.wait = { deadline: line.deadline, window: line.window };
    if (line.kind in ANSWERED) this.settle(run, line.kind, ANSWERED[line.kind]);
    if (line.kind in ENDED) this.settle(run, run.outcome ?? "ended", ANSWERED[run.outcome] ?? ENDED[line.kind]);
    this.tick();
  }

  begin(line) {
    const run = {
      state: el("span", { class: "state" }, "Working"),
      bar: el("span", { class: "left", "aria-hidden": "true" }),
      log: el("ol", { class: "log", "aria-label": `Activity of ${spoken(line.agent)}` }),
    };
    run.node = el(
      "li",
      { class: "run" },
      el("div", { class: "title" }, face({ id: line.agent, name: line.agent }), el("b", {}, spoken(line.agent)), run.state),
      el("span", { class: "track" }, run.bar),
      run.log,
    );
    this.runs.set(line.run_id, run);
    byId("runs").prepend(run.node);
    byId("no-runs").hidden = true;
    return run;
  }

  settle(run, kind, text) {
    run.wait = null;
    run.outcome = kind;
    run.node.className = `run ${kind}`;
    run.state.textContent = text;
  }

  tick() {
    let waiting = 0;
    for (const run of this.runs.values()) {
      if (!run.wait) continue;
      waiting += 1;
      const left = Math.max(0, run.wait.deadline + this.late - Date.now() / 1000);
      run.node.className = `run waits${left < 10 ? " soon" : ""}`;
      run.state.textContent = left > 0 ? `Waiting ${Math.floor(left / 60)}:${String(Math.ceil(left) % 60).padStart(2, "0")}` : "Time is up";
      run.bar.style.setProperty("transform", `scaleX(${Math.min(1, left / run.wait.window)})`);
    }
    const badge = byId("tab-waiting");
    badge.textContent = String(waiting);
    badge.hidden = waiting === 0;
  }
}
