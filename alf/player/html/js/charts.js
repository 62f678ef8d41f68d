"use strict";

// Charts of an entry, one below the other, with one time axis, one cursor and one playhead.
// Pressing or dragging on any of them scrubs.
class Charts {
  static FIRST = ["value", "reward", "return", "entropy"];
  static HIDDEN = ["return", "lead", "runner_up"];
  static MOST_SHOWN = 8;

  constructor(plots, toggles, scrub) {
    this.root = plots;
    this.toggles = toggles;
    this.scrub = scrub;
    this.shown = new Map(); // what the viewer switched on and off, by chart
    this.charts = [];
    this.step = 0;
    this.sync = uPlot.sync("steps");
    this.section = plots.parentElement;
    new ResizeObserver(() => this.resize()).observe(this.section);
  }

  show(entry, events) {
    this.entry = entry;
    this.events = events;
    this.view = [0, Math.max(entry.length, 1)];
    this.groups = Charts.groups(entry);
    this.build();
  }

  // A column's name as people read it.
  static columnName(name) {
    return name.replace(/^(action|observation)\/\1/, "$1").replace("/", " ").replace("_", " ");
  }

  // What can be charted: [{ key, series: [{ label, side, data, dashed }] }], in reading order.
  static groups(entry) {
    const groups = new Map();
    entry.sides.forEach((episode, side) => {
      if (!episode) return;
      const numbers = episode.numbers();
      const runnerUp = numbers.get("runner_up");
      const actions = [...numbers.keys()].filter((name) => name.startsWith("action/"));
      const add = (key, name, data, dashed = false) => {
        // Where each run has several series in a chart, their colours do not tell the runs apart.
        const label = name && entry.sides.length > 1 ? `${"AB"[side]} ${name}` : name;
        if (!groups.has(key)) groups.set(key, { key, series: [] });
        groups.get(key).series.push({ label, side, data, dashed });
      };
      for (const name of Charts.order(numbers)) {
        const parts = numbers.get(name);
        if (name.startsWith("action/")) {
          parts.forEach((data, d) => add(Charts.actionKey(name, d, parts.length), "", data));
          // Of two actions, the other one is the runner-up.
          const many = runnerUp && numbers.get("probabilities")?.length !== 2;
          if (many && actions.length === 1 && parts.length === 1) {
            add(Charts.actionKey(name, 0, 1), "runner-up", runnerUp[0], true);
          }
        } else {
          const key = name.replace(/^observation\/observation$/, "observation");
          const first = /^(probabilities|action_values)$/.test(name) ? episode.first_action : 0;
          parts.forEach((data, d) => add(key, parts.length > 1 ? String(d + first) : "", data));
        }
      }
    });
    const found = [...groups.values()];
    for (const group of found) group.hidden = Charts.hidden(group);
    return found;
  }

  static order(numbers) {
    const names = [...numbers.keys()].filter((name) => name !== "runner_up");
    const rank = (name) => {
      const first = Charts.FIRST.indexOf(name);
      if (first >= 0) return first;
      if (name.startsWith("action/")) return 10;
      return name.startsWith("observation/") ? 30 : 20;
    };
    return names.sort((a, b) => rank(a) - rank(b));
  }

  static actionKey(name, d, width) {
    const leaf = name.slice("action/".length);
    const base = leaf === "action" ? "action" : `action ${leaf}`;
    return width > 1 ? `${base}[${d}]` : base;
  }

  static hidden(group) {
    return Charts.HIDDEN.includes(group.key) || group.key.startsWith("observation");
  }

  isShown(group, index) {
    const chosen = this.shown.get(group.key);
    return chosen === undefined ? !group.hidden && index < Charts.MOST_SHOWN : chosen;
  }

  build() {
    for (const chart of this.charts) chart.plot.destroy();
    this.charts = [];
    this.root.textContent = "";
    this.toggles.textContent = "";
    const shown = this.groups.filter((group, i) => this.isShown(group, i));
    this.count = shown.length;
    this.groups.forEach((group, i) => this.toggles.append(this.toggle(group, i)));
    shown.forEach((group, i) => this.charts.push(this.chart(group, i === shown.length - 1)));
    this.move(this.step);
  }

  toggle(group, index) {
    const on = this.isShown(group, index);
    const button = Text.element("button", "toggle", group.key.replace("_", " "));
    button.type = "button";
    button.setAttribute("aria-pressed", on);
    button.title = on ? "Hide this chart" : "Show this chart";
    button.onclick = () => {
      this.shown.set(group.key, !on);
      this.build();
    };
    return button;
  }

  chart(group, isLast) {
    const box = Text.element("div", "plot");
    const head = Text.element("div", "plot-head");
    head.append(Text.element("span", "name", group.key.replace("_", " ")));
    const colors = Charts.colors(group, this.entry.sides.length);
    const now = group.series.map((series, i) => {
      const span = Text.element("span", "now");
      span.style.color = colors[i];
      head.append(span);
      return span;
    });
    const there = Text.element("span", "there");
    head.append(there);
    const body = Text.element("div", "plot-body");
    box.append(head, body);
    this.root.append(box);
    const playhead = Text.element("div", "playhead");
    const made = { group, now, there, playhead, isLast };
    made.plot = new uPlot(this.options(made, colors), this.data(group), body);
    made.plot.over.append(playhead);
    this.listen(made.plot.over, made.plot);
    this.sync.sub(made.plot);
    return made;
  }

  // In the order of the panels' colours, without the one in which they draw what was chosen.
  static PART_COLORS = [0, 2, 3, 4, 6, 7];

  // The colour of each series: a run's own, or one for each part of what a run tells. Where runs
  // are compared, their own colours are theirs alone.
  static colors(group, sides) {
    const style = getComputedStyle(document.documentElement);
    const color = (n) => style.getPropertyValue(`--series-${n}`).trim();
    const parts = sides > 1 ? Charts.PART_COLORS.slice(1) : Charts.PART_COLORS;
    const places = [0, 0];
    return group.series.map(({ side, dashed }) => {
      if (dashed) return color(sides > 1 ? side : 5);
      const place = places[side]++;
      const many = group.series.filter((s) => s.side === side && !s.dashed).length > 1;
      return color(sides > 1 && !many ? side : parts[place % parts.length]);
    });
  }

  data(group) {
    const steps = Array.from({ length: this.entry.length + 1 }, (_, i) => i);
    const pad = (data) => steps.map((i) => (i < data.length ? data[i] : null));
    return [steps, ...group.series.map((series) => pad(series.data))];
  }

  options(chart, colors) {
    const style = getComputedStyle(document.documentElement);
    const line = style.getPropertyValue("--line").trim();
    const muted = style.getPropertyValue("--muted").trim();
    const font = "11px system-ui, sans-serif";
    const axis = { stroke: muted, font, ticks: { show: false } };
    const grid = { stroke: line, width: 1 };
    return {
      ...this.size(chart.isLast),
      padding: [6, 22, chart.isLast ? 0 : 6, 0],
      legend: { show: false },
      cursor: {
        sync: { key: "steps", setSeries: false },
        drag: { x: false, y: false, setScale: false },
        y: false,
        points: { size: 7 },
      },
      scales: { x: { time: false, range: () => this.view } },
      axes: [
        { ...axis, show: chart.isLast, size: 24, gap: 2, grid, incrs: Charts.INCREMENTS },
        { ...axis, size: 58, gap: 4, grid, space: 26, values: Charts.ticks },
      ],
      series: [{}, ...chart.group.series.map((one, i) => this.series(one, chart.group.key, colors[i]))],
      hooks: {
        drawClear: [(plot) => this.mark(plot)],
        setCursor: [() => this.hover(chart)],
        // The playhead stands in pixels: it moves with everything that moves those.
        ready: [(plot) => this.place(plot, chart)],
        setScale: [(plot) => this.place(plot, chart)],
        setSize: [(plot) => this.place(plot, chart)],
      },
    };
  }

  static INCREMENTS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 1e6];

  static ticks(plot, splits) {
    return splits.map((x) => (Math.abs(x) >= 1e5 ? x.toExponential(1) : Text.brief(x)));
  }

  series(series, key, color) {
    const steps = /^(action(?!_)|reward)/.test(key);
    return {
      stroke: color,
      width: series.dashed ? 1 : 1.5,
      dash: series.dashed ? [4, 4] : series.side ? [6, 2] : undefined,
      paths: steps ? uPlot.paths.stepped({ align: 1 }) : uPlot.paths.linear(),
      points: { show: series.data.length === 1 },
      spanGaps: false,
    };
  }

  size(isLast) {
    const width = Math.max(this.root.clientWidth, 120);
    return { width, height: this.height() + (isLast ? 20 : 0) };
  }

  // Charts share the height that there is; where the page scrolls as a whole, each has its own.
  height() {
    if (getComputedStyle(this.section).overflowY === "visible") return 86;
    const style = getComputedStyle(this.section);
    const padding = parseFloat(style.paddingTop) + parseFloat(style.paddingBottom);
    const head = 24;
    const room = this.section.clientHeight - padding - this.toggles.offsetHeight - 24;
    return Math.round(Math.min(Math.max(room / Math.max(this.count, 1) - head, 78), 190));
  }

  resize() {
    for (const chart of this.charts) chart.plot.setSize(this.size(chart.isLast));
  }

  // Lines where something happened, behind the data.
  mark(plot) {
    const { ctx, bbox } = plot;
    const style = getComputedStyle(document.documentElement);
    ctx.save();
    ctx.lineWidth = devicePixelRatio;
    for (const event of this.events) {
      const x = plot.valToPos(event.step, "x", true);
      if (x < bbox.left - 1 || x > bbox.left + bbox.width + 1) continue;
      ctx.strokeStyle = style.getPropertyValue(`--${event.kind.replace(" ", "-")}`).trim();
      ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  }

  // Exact values of the step under the cursor, in every chart.
  hover(chart) {
    const index = chart.plot.cursor.idx;
    if (index === null || index === undefined || chart.plot.cursor.left < 0) {
      chart.there.textContent = "";
      return;
    }
    const values = chart.group.series.map((series) => {
      const x = Text.exact(series.data[index]);
      return series.label ? `${series.label}: ${x}` : x;
    });
    chart.there.textContent = `step ${index}:  ${values.join("  ")}`;
  }

  // Puts the playhead and the values of the frame that is shown; called with each new frame.
  move(step) {
    this.step = step;
    this.follow(step);
    for (const chart of this.charts) {
      const { group, now } = chart;
      this.place(chart.plot, chart);
      group.series.forEach((series, i) => {
        const x = Text.exact(series.data[step]);
        now[i].textContent = series.label ? `${series.label}: ${x}` : x;
      });
    }
  }

  place(plot, { playhead }) {
    playhead.style.transform = `translateX(${plot.valToPos(this.step, "x")}px)`;
  }

  // Keeps the playhead in view where only a part of the time is shown.
  follow(step) {
    const [from, to] = this.view;
    if (step >= from && step <= to) return;
    const start = Math.min(Math.max(step - (to - from) / 4, 0), this.entry.length - (to - from));
    this.look(start, start + to - from);
  }

  zoom(factor, center = this.step) {
    const whole = Math.max(this.entry.length, 1);
    const [from, to] = this.view;
    const span = Math.min(Math.max((to - from) * factor, Math.min(10, whole)), whole);
    const share = (center - from) / (to - from);
    const start = Math.min(Math.max(center - span * share, 0), whole - span);
    this.look(start, start + span);
    this.move(this.step);
  }

  look(from, to) {
    this.view = [from, to];
    for (const { plot } of this.charts) plot.setScale("x", { min: from, max: to });
  }

  listen(over, plot) {
    const step = (event) => {
      const x = event.clientX - over.getBoundingClientRect().left;
      return Math.min(Math.max(Math.round(plot.posToVal(x, "x")), 0), this.entry.length);
    };
    over.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      over.setPointerCapture(event.pointerId);
      this.scrub(step(event));
    });
    over.addEventListener("pointermove", (event) => {
      if (over.hasPointerCapture(event.pointerId)) this.scrub(step(event));
    });
    over.addEventListener(
      "wheel",
      (event) => {
        if (!event.ctrlKey && !event.metaKey) return; // the page scrolls as usual
        event.preventDefault();
        this.zoom(event.deltaY > 0 ? 1.25 : 0.8, step(event));
      },
      { passive: false },
    );
  }
}
