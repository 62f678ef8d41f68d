"use strict";

// The player: one episode, or one of each of two runs, at one step. What stands beside a frame is
// always of that frame: numbers, playhead and position change when the frame is drawn.
class Player {
  static SPEEDS = [
    [0.125, "1/8"],
    [0.25, "1/4"],
    [0.5, "1/2"],
    [1, "1"],
    [2, "2"],
    [4, "4"],
    [8, "8"],
  ];

  constructor(data) {
    this.runs = data.runs;
    this.entries = data.entries;
    this.entry = null;
    this.step = null; // of the frame that is drawn
    this.wanted = null; // the step to bring next
    this.target = 0; // the last step that was wished for
    this.working = false;
    this.playing = false;
    this.speed = 1;
    this.panes = this.entries[0].sides.map((_, side) => new Pane(side, this.runs));
    const at = (id) => document.getElementById(id);
    this.at = at;
    at("panes").append(...this.panes.map((pane) => pane.root));
    at("panes").classList.toggle("two", this.panes.length > 1);
    this.charts = new Charts(at("plots"), at("toggles"), (step) => this.go(step));
    this.table = new Episodes(at("episodes"), this.entries, this.runs, (e) => this.open(e, 0));
    this.header();
    this.controls();
    document.addEventListener("keydown", (event) => this.key(event));
    addEventListener("hashchange", () => this.followLink());
    if (!this.followLink()) this.open(this.entries[0], 0);
  }

  // Opens an entry at a step. Nothing of the earlier one stays visible until the first frame.
  async open(entry, step) {
    this.pause();
    if (entry === this.entry) return this.go(step);
    for (const side of this.entry?.sides ?? []) side?.forget();
    this.entry = entry;
    this.step = null;
    this.wanted = null;
    this.target = step;
    for (const pane of this.panes) pane.close("…");
    this.table.mark(entry);
    this.at("position").max = entry.length;
    this.events = Player.eventsOf(entry);
    this.charts.step = Math.min(step, entry.length);
    this.charts.show(entry, this.events);
    this.drawEvents();
    try {
      await Promise.all(this.panes.map((pane, i) => pane.load(entry.sides[i])));
    } catch (error) {
      if (entry !== this.entry) return; // another one was opened meanwhile
      for (const pane of this.panes) pane.close(`This film cannot be shown: ${error.message}`);
      return;
    }
    if (entry === this.entry) this.want(this.target);
  }

  // Goes to a step, and stays there.
  go(step) {
    this.pause();
    this.want(step);
  }

  want(step) {
    this.wanted = Math.min(Math.max(Math.round(step), 0), this.entry.length);
    this.target = this.wanted;
    this.work();
  }

  // Brings the wanted frame; while one is on its way, only the newest wish counts.
  async work() {
    if (this.working) return;
    this.working = true;
    while (this.wanted !== null && this.panes.every((pane) => pane.ready)) {
      const [entry, step] = [this.entry, this.wanted];
      this.wanted = null;
      try {
        const frames = await Promise.all(this.panes.map((pane) => pane.frame(step)));
        if (entry === this.entry) this.present(step, frames);
        for (const frame of frames) frame?.close();
      } catch (error) {
        if (entry === this.entry) this.say(error.message);
      }
    }
    this.working = false;
  }

  // Draws frames and, in the same task, everything that belongs to them.
  present(step, frames) {
    this.step = step;
    const differs = this.entry.pair?.differs;
    const apart = differs && step >= differs.step ? `apart since step ${differs.step}` : "";
    this.panes.forEach((pane, i) => pane.draw(step, frames[i], apart));
    this.charts.move(step);
    this.at("position").value = step;
    this.at("step").textContent = `${step} / ${this.entry.length}`;
    document.body.dataset.step = step;
    document.body.dataset.episode = this.entry.number;
    for (const button of this.at("events").querySelectorAll("button")) {
      button.classList.toggle("current", Number(button.dataset.step) === step);
    }
    this.noteLink();
  }

  play() {
    if (this.playing || this.step === null) return;
    this.playing = true;
    this.playButton();
    if (this.step >= this.entry.length) this.want(0);
    this.waitThenRun();
  }

  async waitThenRun() {
    while (this.working) await Film.nextPaint();
    if (!this.playing) return;
    if (this.panes.length === 1) this.runFilm();
    else this.runSteps();
  }

  // One film plays by itself, and is looked at each time that the screen is drawn.
  async runFilm() {
    const { film } = this.panes[0];
    const { entry } = this;
    film.video.playbackRate = this.speed;
    try {
      await film.video.play();
    } catch {
      return this.runSteps(); // the browser does not let films play: show frame after frame
    }
    while (this.playing && entry === this.entry) {
      const frame = film.current();
      if (frame.step >= 0 && frame.step !== this.step) this.present(frame.step, [frame]);
      frame.close();
      if (film.video.ended || this.step >= entry.length) break;
      await Film.nextPaint();
    }
    film.video.pause();
    if (this.playing && entry === this.entry) this.go(entry.length);
  }

  // Two films in step: both frames are waited for and drawn at once. A slow machine leaves out
  // steps rather than time.
  async runSteps() {
    const { entry, speed } = this;
    const [start, began] = [this.step, performance.now()];
    while (this.playing && entry === this.entry && this.step < entry.length) {
      if (this.speed !== speed) return this.runSteps();
      const seconds = (performance.now() - began) / 1000;
      const due = Math.min(start + Math.floor(seconds * entry.fps * speed), entry.length);
      if (due > this.step) {
        this.want(due);
        while (this.working) await Film.nextPaint();
      } else await Film.nextPaint();
    }
    if (entry === this.entry && this.step >= entry.length) this.pause();
  }

  pause() {
    if (this.playing) this.target = this.step;
    this.playing = false;
    for (const pane of this.panes) pane.film.video.pause();
    this.playButton();
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  playButton() {
    const button = this.at("play");
    button.querySelector("use").setAttribute("href", this.playing ? "#i-pause" : "#i-play");
    button.setAttribute("aria-label", this.playing ? "Pause" : "Play");
  }

  setSpeed(speed) {
    this.speed = speed;
    this.at("speed").value = speed;
    for (const pane of this.panes) pane.film.video.playbackRate = speed;
  }

  changeSpeed(by) {
    const place = Player.SPEEDS.findIndex(([speed]) => speed === this.speed) + by;
    this.setSpeed(Player.SPEEDS[Math.min(Math.max(place, 0), Player.SPEEDS.length - 1)][0]);
  }

  // Relative to where the last wish leads, so that held keys do not wait for frames.
  move(by) {
    this.go((this.playing ? this.step : this.target) + by);
  }

  openNeighbour(by) {
    const entry = this.table.neighbour(by);
    if (entry) this.open(entry, 0);
  }

  // Events of all sides in the order of time, and where two runs part.
  static eventsOf(entry) {
    const events = [];
    entry.sides.forEach((episode, side) => {
      for (const event of episode?.events ?? []) {
        // What happens to both runs alike is one event.
        const same = events.find(
          ({ kind, step, facts }) =>
            kind === event.kind &&
            step === event.step &&
            JSON.stringify(facts) === JSON.stringify(event.facts),
        );
        if (same) same.sides.push(side);
        else events.push({ ...event, sides: [side] });
      }
    });
    const { differs, parts } = entry.pair ?? {};
    const mark = (found, what) => {
      const values = `${Text.exact(found.a)} and ${Text.exact(found.b)}`;
      const told = `${what} in ${Charts.columnName(found.column)}: ${values}`;
      events.push({ kind: "divergence", step: found.step, sides: [], facts: { told } });
    };
    if (differs) mark(differs, "first difference,");
    if (parts && parts.step !== differs.step) mark(parts, "visibly apart,");
    return events.sort((a, b) => a.step - b.step);
  }

  drawEvents() {
    const box = this.at("events");
    box.replaceChildren();
    for (const event of this.events) {
      const button = Text.element("button", `event ${event.kind.replace(" ", "-")}`);
      button.type = "button";
      button.dataset.step = event.step;
      button.dataset.kind = event.kind;
      const letters = this.panes.length > 1 ? event.sides.map((side) => "AB"[side]).join(" ") : "";
      button.append(
        Text.element("span", "kind", `${letters} ${event.kind}`.trim()),
        Text.element("span", "where", `step ${event.step}`),
        Text.element("span", "what", Text.event(event)),
      );
      button.onclick = () => this.go(event.step);
      box.append(button);
    }
    if (!this.events.length) box.append(Text.element("p", "none", "No events in this episode."));
  }

  // To the next or last event from here, or to the next one of a kind, around the end.
  jump(by, ...kinds) {
    const events = this.events.filter(({ kind }) => !kinds.length || kinds.includes(kind));
    if (!events.length) return this.say(`No ${kinds[0] ?? "event"} in this episode`);
    const here = this.playing ? this.step : this.target;
    const steps = events.map((event) => event.step);
    const beyond = steps.filter((step) => (by > 0 ? step > here : step < here));
    const around = by > 0 ? steps[0] : steps[steps.length - 1];
    const nearest = by > 0 ? beyond[0] : beyond[beyond.length - 1];
    this.go(nearest ?? around);
  }

  header() {
    document.querySelector("h1").textContent = document.title;
    const facts = this.at("facts");
    this.runs.forEach((run, i) => {
      const line = Text.element("div", "run");
      if (this.runs.length > 1) line.append(Text.element("b", `side side-${i}`, "AB"[i]));
      for (const [name, told] of Object.entries(run.header)) {
        const chip = Text.element("span", "chip");
        chip.title = `${name}: ${told}`;
        chip.append(Text.element("i", "", name), Text.element("span", "", told));
        const verdict = /^(exact|close|differs)\b/.exec(told);
        if (name === "fingerprint" && verdict) chip.classList.add(verdict[0]);
        line.append(chip);
      }
      facts.append(line);
    });
  }

  controls() {
    const on = (id, act) => {
      this.at(id).onclick = act;
    };
    on("play", () => this.toggle());
    on("start", () => this.go(0));
    on("end", () => this.go(this.entry.length));
    on("back", () => this.move(-1));
    on("next", () => this.move(1));
    on("copy", () => this.copyLink());
    on("theme", () => this.changeTheme());
    on("help-button", () => Help.toggle());
    this.at("position").oninput = (event) => this.go(Number(event.target.value));
    const speed = this.at("speed");
    for (const [value, name] of Player.SPEEDS) {
      const option = Text.element("option", "", `${name}×`);
      option.value = value;
      speed.append(option);
    }
    speed.value = 1;
    speed.onchange = () => this.setSpeed(Number(speed.value));
    matchMedia("(prefers-color-scheme: dark)").onchange = () => this.charts.build();
  }

  changeTheme() {
    const next = { Auto: "Light", Light: "Dark", Dark: "Auto" }[this.at("theme").textContent];
    this.at("theme").textContent = next;
    if (next === "Auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next.toLowerCase();
    this.charts.build();
  }

  // Reads `#e=3&t=41`; false if there is no such link.
  followLink() {
    const link = new URLSearchParams(location.hash.slice(1));
    if (!link.has("e") && !link.has("t")) return false;
    const number = Number.parseInt(link.get("e") ?? "1", 10);
    const step = Number.parseInt(link.get("t") ?? "0", 10) || 0;
    const entry = this.entries.find((one) => one.number === number) ?? this.entries[0];
    if (entry === this.entry && step === this.step) return true;
    this.open(entry, step);
    return true;
  }

  link() {
    return `#e=${this.entry.number}&t=${this.step}`;
  }

  // The address follows once it is quiet: browsers refuse too many changes.
  noteLink() {
    clearTimeout(this.linkTimer);
    this.linkTimer = setTimeout(() => {
      if (this.step === null || location.protocol === "about:") return;
      history.replaceState(null, "", this.link());
    }, 250);
  }

  async copyLink() {
    const address = location.href.split("#")[0] + this.link();
    try {
      await navigator.clipboard.writeText(address);
      this.say("Link copied");
    } catch {
      this.say(address); // no clipboard here: to be copied by hand
    }
  }

  say(text) {
    const toast = this.at("toast");
    toast.textContent = text;
    toast.classList.add("on");
    clearTimeout(this.toastTimer);
    this.toastTimer = setTimeout(() => toast.classList.remove("on"), 2500);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (/^(INPUT|SELECT)$/.test(event.target.tagName) && event.target.type !== "range") return;
    if (event.key === "Enter" || (event.key === " " && event.target.tagName === "BUTTON")) {
      if (event.target.id !== "play") return; // the button is pressed by it
      if (event.key === "Enter") return;
    }
    const act = Help.action(event);
    if (!act) return;
    event.preventDefault();
    act(this);
  }
}

// One run's picture, with what is said about it.
class Pane {
  constructor(side, runs) {
    this.side = side;
    this.letter = runs.length > 1 ? "AB"[side] : "";
    this.film = new Film();
    this.episode = null;
    this.ready = false;
    this.root = Text.element("figure", "pane");
    this.canvas = Text.element("canvas");
    this.badge = Text.element("div", "badge");
    this.caption = Text.element("figcaption");
    const picture = Text.element("div", "picture");
    picture.append(this.canvas, this.badge);
    this.root.append(picture, this.caption);
  }

  // Shows nothing until another episode is loaded.
  close(text) {
    this.ready = false;
    this.clear(text);
  }

  clear(text) {
    this.canvas.getContext("2d").clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.caption.textContent = "";
    this.badge.textContent = text;
  }

  async load(episode) {
    this.episode = episode;
    if (episode) {
      this.canvas.width = episode.width;
      this.canvas.height = episode.height;
      // Small pictures are enlarged, to twice their size at most.
      this.canvas.style.setProperty("--width", `${2 * episode.width}px`);
      this.canvas.style.setProperty("--aspect", episode.width / episode.height);
      await this.film.load(episode);
      if (this.episode !== episode) return;
    } else this.film.unload();
    this.ready = true;
  }

  // The frame of a step; of the last one where the episode is over by then.
  async frame(step) {
    return this.episode ? this.film.frame(Math.min(step, this.episode.length)) : null;
  }

  draw(step, frame, apart) {
    if (!frame) return this.clear("not played in this run");
    this.film.draw(this.canvas, frame);
    const { episode } = this;
    const own = Math.min(step, episode.length);
    const labels = [Pane.label(episode, step), apart].filter((label) => label);
    this.badge.textContent = labels.join(" · ");
    const numbers = episode.numbers();
    const facts = [`step ${own}`];
    for (const name of ["reward", "return", "value", "entropy"]) {
      const told = numbers.get(name)?.[0][own];
      if (told !== undefined && told !== null) facts.push(`${name} ${Text.exact(told)}`);
    }
    const seed = episode.seed === null ? [] : [`seed ${episode.seed}`];
    const lead = [`episode ${episode.number + 1}`, ...seed].join(", ");
    this.caption.replaceChildren();
    if (this.letter) {
      this.caption.append(Text.element("b", `side side-${this.side}`, this.letter));
    }
    this.caption.append(Text.element("span", "lead", lead));
    for (const fact of facts) this.caption.append(Text.element("span", "fact", fact));
  }

  // What is said of first and last frames.
  static label(episode, step) {
    const endings = {
      failure: "end: failure",
      success: "end: success",
      terminated: "end",
      "time limit": "end: time limit",
      interrupted: "recording stopped here",
    };
    if (step > episode.length) return `ended at step ${episode.length}`;
    if (step === episode.length) return endings[Text.ending(episode)];
    return step === 0 ? "start" : "";
  }
}
