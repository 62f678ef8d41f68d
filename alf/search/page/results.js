"use strict";

// Shows the results of a search. What comes from names is set as text, never as HTML.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const SHOWN_AT_FIRST = 6;
  const MOST_IN_LEGEND = 12;

  function element(tag, className, text) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function drawing(tag, attributes) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  }

  const byId = (id) => document.getElementById(id);
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const number = (x) => {
    if (x === null || x === undefined) return "–";
    return Math.abs(x) >= 1e5 ? x.toExponential(2) : x.toFixed(digits);
  };
  const whole = (x) => (x === null || x === undefined ? "–" : Math.round(x).toLocaleString("en-US"));
  const label = (combination) =>
    data.parameters.map((name, i) => `${name}=${combination.values[i]}`).join("  ");

  // From the lowest return of any run to the highest, so that all spreads can be compared.
  const returns = data.combinations.flatMap((c) => c.runs.map((run) => run.return));
  const known = returns.filter((x) => x !== null);
  const low = Math.min(...known);
  const high = Math.max(...known);
  const digits = !(high - low >= 1) ? 3 : high - low < 100 ? 2 : 1;
  const place = (x) => (high > low ? (x - low) / (high - low) : 0.5);

  function head() {
    document.querySelector("h1").textContent = `Results of ${data.name}`;
    byId("desc").textContent = data.desc;
    for (const [name, value] of data.facts) {
      const chip = element("div", "chip");
      chip.append(element("i", "", name), element("span", "", value));
      byId("facts").append(chip);
    }
  }

  function best() {
    const box = byId("best");
    if (!data.best) {
      box.append(element("p", "none", "No run has a return yet."));
      return;
    }
    const lead = element("div", "lead", "Best run: ");
    lead.append(element("b", "", data.best.run), `, return ${number(data.best.return)}`);
    box.append(lead);
    for (const { what, command } of data.commands) {
      const row = element("div", "command");
      const copy = element("button", "", "Copy");
      copy.type = "button";
      copy.onclick = () => copied(copy, command);
      row.append(element("span", "", what), element("code", "", command), copy);
      box.append(row);
    }
  }

  async function copied(button, text) {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      // A page from a file may not reach the clipboard: select the text instead.
      getSelection().selectAllChildren(button.parentElement.querySelector("code"));
      button.textContent = "Press Ctrl-C";
    }
    setTimeout(() => (button.textContent = "Copy"), 1500);
  }

  // Learning curves

  const curves = data.curves.curves;
  const shown = new Set(curves.slice(0, SHOWN_AT_FIRST).map((curve) => curve.index));
  let plot = null;

  const combinationOf = (index) => data.combinations.find((c) => c.index === index);
  const seriesColor = (n) => color(`--series-${n % 8}`);

  function drawCurves() {
    const box = byId("plot");
    if (plot) plot.destroy();
    plot = null;
    if (!curves.length) {
      box.replaceChildren(element("p", "none", "No training episode has ended yet."));
      return;
    }
    const columns = [data.curves.x];
    const series = [{ label: data.curves.over }];
    const bands = [];
    curves.forEach((curve, n) => {
      if (!shown.has(curve.index)) return;
      const stroke = seriesColor(n);
      const first = series.length;
      columns.push(curve.mean, curve.high, curve.low);
      const edge = { show: true, stroke: "transparent", width: 0, points: { show: false } };
      const alone = curve.mean.filter((y) => y !== null).length === 1;
      series.push({ stroke, width: 2, points: { show: alone } }, edge, edge);
      bands.push({ series: [first + 1, first + 2], fill: `${stroke}22` });
    });
    const axis = {
      stroke: color("--muted"),
      font: "11px system-ui, sans-serif",
      grid: { stroke: color("--line"), width: 1 },
      ticks: { show: false },
    };
    const ticks = (_, splits) =>
      splits.map((x) => (Math.abs(x) >= 1e6 ? `${x / 1e6}M` : Math.abs(x) >= 1e4 ? `${x / 1e3}k` : x));
    const options = {
      width: Math.max(box.clientWidth, 200),
      height: 300,
      legend: { show: false },
      cursor: { y: false, drag: { x: true, y: false } },
      scales: { x: { time: false } },
      axes: [
        { ...axis, label: data.curves.over, labelSize: 18, labelFont: axis.font, size: 34, values: ticks },
        { ...axis, size: 52, values: ticks },
      ],
      series,
      bands,
    };
    box.replaceChildren();
    plot = new uPlot(options, columns, box);
  }

  function legend() {
    const box = byId("legend");
    curves.slice(0, MOST_IN_LEGEND).forEach((curve, n) => {
      const button = element("button");
      button.type = "button";
      const swatch = () => button.style.setProperty("--swatch", seriesColor(n));
      const combination = combinationOf(curve.index);
      button.append(element("i"), element("span", "", `${label(combination)}: ${number(combination.mean)}`));
      button.setAttribute("aria-pressed", shown.has(curve.index));
      swatch();
      recolor.push(swatch);
      button.onclick = () => {
        if (!shown.delete(curve.index)) shown.add(curve.index);
        button.setAttribute("aria-pressed", shown.has(curve.index));
        drawCurves();
      };
      box.append(button);
    });
    if (curves.length > MOST_IN_LEGEND) {
      const rest = curves.length - MOST_IN_LEGEND;
      box.append(element("span", "note", `and ${rest} more, which are not drawn`));
    }
  }

  // Which parameter mattered

  function spread(mean, lowest, highest, dots, className) {
    const [width, height] = [130, 16];
    const x = (value) => 4 + place(value) * (width - 8);
    const view = { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none" };
    const box = drawing("svg", { class: className, ...view, "aria-hidden": "true" });
    const line = { y1: height / 2, y2: height / 2, stroke: "currentColor" };
    box.append(drawing("line", { ...line, x1: 4, x2: width - 4, "stroke-opacity": 0.15 }));
    if (mean === null) return box;
    box.append(drawing("line", { ...line, x1: x(lowest), x2: x(highest), "stroke-opacity": 0.4, "stroke-width": 3 }));
    for (const dot of dots) {
      box.append(drawing("circle", { cx: x(dot), cy: height / 2, r: 2.5, fill: "currentColor", "fill-opacity": 0.45 }));
    }
    const at = { x1: x(mean), x2: x(mean), y1: 2, y2: height - 2, "stroke-width": 2 };
    box.append(drawing("line", { ...at, stroke: "currentColor" }));
    return box;
  }

  function importance() {
    const box = byId("shares");
    if (!data.importance.length) {
      box.append(element("p", "none", "No run has a return yet."));
      return;
    }
    for (const one of data.importance) {
      const row = element("div", "share");
      const top = element("div", "share-head");
      const told = one.share === null ? "too few runs" : `${Math.round(100 * one.share)} %`;
      top.append(element("span", "", one.name), element("b", "", told));
      const bar = element("div", "bar");
      const filled = element("div");
      filled.style.width = `${100 * (one.share ?? 0)}%`;
      bar.append(filled);
      row.append(top, bar);
      for (const group of one.groups) {
        const line = element("div", "group");
        line.append(
          element("span", "", `${group.label}`),
          spread(group.mean, group.low, group.high, [], "spread strip"),
          element("b", "", number(group.mean)),
        );
        line.title = `${group.count} runs, ${number(group.low)} to ${number(group.high)}`;
        row.append(line);
      }
      box.append(row);
    }
    const seed =
      data.seed_share === null ? "" : ` Chance (the seed): ${Math.round(100 * data.seed_share)} %.`;
    byId("seed").textContent =
      `The share of the variance of returns that each explains alone, corrected for chance.${seed} ` +
      "Lines go from the lowest return to the highest, with the mean.";
  }

  // All combinations

  const columns = [
    { name: "return", key: (c) => c.mean, number: true },
    { name: "spread", key: (c) => c.std },
    ...data.parameters.map((name, i) => ({ name, key: (c) => sortable(c.values[i]) })),
    { name: "finished", key: (c) => c.finished, number: true },
    { name: "index", key: (c) => c.index, number: true },
  ];
  let order = { column: 0, descending: true };
  const open = new Set();

  const sortable = (text) => (text.trim() !== "" && isFinite(text) ? Number(text) : text);

  function sorted() {
    const { key } = columns[order.column];
    const compare = (a, b) => {
      const [x, y] = [key(a), key(b)];
      if (x === null || y === null) return (x === null) - (y === null);
      const found = typeof x === typeof y ? (x < y ? -1 : x > y ? 1 : 0) : String(x).localeCompare(String(y));
      return order.descending ? -found : found;
    };
    return [...data.combinations].sort(compare);
  }

  function table() {
    const heads = element("tr");
    columns.forEach((column, n) => {
      const cell = element("th", column.number ? "number" : "");
      const button = element("button", "", column.name);
      button.type = "button";
      button.onclick = () => {
        order = { column: n, descending: order.column === n ? !order.descending : Boolean(column.number) };
        table();
      };
      if (order.column === n) cell.setAttribute("aria-sort", order.descending ? "descending" : "ascending");
      cell.append(button);
      heads.append(cell);
    });
    document.querySelector("thead").replaceChildren(heads);
    document.querySelector("tbody").replaceChildren(...sorted().flatMap(rows));
  }

  function rows(combination) {
    const row = element("tr", "row");
    const mean = combination.std === null ? "" : ` ± ${number(combination.std)}`;
    const dots = combination.runs.map((run) => run.return).filter((x) => x !== null);
    const strip = element("td");
    strip.append(spread(combination.mean, Math.min(...dots), Math.max(...dots), dots, "spread"));
    row.append(element("td", "number", number(combination.mean) + mean), strip);
    for (const value of combination.values) {
      const cell = element("td", "value", value);
      cell.title = value;
      row.append(cell);
    }
    const failed = combination.runs.some((run) => run.state === "failed");
    const count = `${combination.finished}/${combination.runs.length}`;
    row.append(element("td", failed ? "number failed" : "number", count));
    row.append(element("td", "number", combination.index));
    row.tabIndex = 0;
    row.setAttribute("aria-expanded", open.has(combination.index));
    const toggle = () => {
      if (!open.delete(combination.index)) open.add(combination.index);
      table();
    };
    row.onclick = toggle;
    row.onkeydown = (event) => {
      if (event.key === "Enter") toggle();
    };
    if (!open.has(combination.index)) return [row];
    return [row, ...combination.runs.map(runRow)];
  }

  function runRow(run) {
    const row = element("tr", "runs");
    const cell = element("td");
    cell.colSpan = columns.length;
    cell.append(element("span", run.state, run.state), ` ${run.name}: return ${number(run.return)}`);
    cell.append(`, seed ${run.seed ?? "its own"}, ${whole(run.steps)} steps, ${whole(run.steps_per_s)} steps/s`);
    if (run.tries > 1) cell.append(element("span", "lost", `, ${run.tries} tries`));
    if (run.error) cell.append(`. ${run.error}`);
    row.append(cell);
    return row;
  }

  const recolor = [drawCurves];
  head();
  best();
  legend();
  drawCurves();
  importance();
  table();
  let width = byId("plot").clientWidth;
  new ResizeObserver(() => {
    if (byId("plot").clientWidth !== width && plot) {
      width = byId("plot").clientWidth;
      plot.setSize({ width: Math.max(width, 200), height: 300 });
    }
  }).observe(byId("plot"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => recolor.forEach((f) => f()));
})();
