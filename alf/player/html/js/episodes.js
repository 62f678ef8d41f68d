"use strict";

// The table of episodes: sorted by any column, filtered by return, length and how they ended.
class Episodes {
  constructor(root, entries, runs, choose) {
    this.entries = entries;
    this.choose = choose;
    this.compared = runs.length > 1 && entries.some((entry) => entry.pair);
    this.columns = this.makeColumns();
    this.sorted = { column: this.columns[0], down: false };
    this.bounds = {};
    this.rows = [];
    this.head = root.querySelector("thead");
    this.body = root.querySelector("tbody");
    this.filter = root.querySelector("#filter");
    this.current = null;
    this.makeFilter();
    this.draw();
  }

  makeColumns() {
    const first = (entry) => entry.sides.find((side) => side);
    const columns = [
      { name: "#", value: (entry) => entry.number },
      { name: "seed", value: (entry) => entry.seed },
    ];
    const sides = this.compared ? ["A", "B"] : [""];
    const of = (get, side) => (entry) => {
      const episode = this.compared ? entry.sides[side] : first(entry);
      return episode ? get(episode) : null;
    };
    const each = (name, get, more = {}) => {
      sides.forEach((letter, side) => {
        columns.push({ name: `${name} ${letter}`.trim(), value: of(get, side), ...more });
      });
    };
    each("return", (episode) => episode.return, { number: true });
    each("length", (episode) => episode.length, { number: true });
    each("ended", (episode) => Text.ending(episode), { tag: true });
    if (this.compared) {
      columns.push({ name: "differ at", value: (entry) => entry.pair?.differs?.step ?? null });
    } else {
      const drop = (episode) => episode.events.find((e) => e.facts.drop !== undefined)?.facts.drop;
      if (this.entries.some((entry) => of(drop, 0)(entry))) {
        columns.push({ name: "largest drop", value: of((e) => drop(e) ?? null, 0) });
      }
    }
    return columns;
  }

  makeFilter() {
    const range = (name) => {
      const label = Text.element("label", "", name);
      for (const side of ["from", "to"]) {
        const input = Text.element("input");
        Object.assign(input, { type: "number", step: "any", placeholder: side });
        input.setAttribute("aria-label", `${name} ${side}`);
        input.oninput = () => {
          this.bounds[`${name} ${side}`] = input.value === "" ? null : Number(input.value);
          this.draw();
        };
        label.append(input);
      }
      return label;
    };
    const ended = Text.element("label", "", "ended");
    const select = Text.element("select");
    select.setAttribute("aria-label", "ended");
    const endings = new Set(this.entries.flatMap((entry) => this.endings(entry)));
    for (const name of ["any", ...[...endings].sort()]) {
      select.append(Text.element("option", "", name));
    }
    select.onchange = () => {
      this.bounds.ended = select.value === "any" ? null : select.value;
      this.draw();
    };
    ended.append(select);
    this.count = Text.element("span", "count");
    this.filter.append(ended, range("return"), range("length"), this.count);
  }

  endings(entry) {
    return entry.sides.filter((side) => side).map((side) => Text.ending(side));
  }

  // Whether an entry is shown; of two runs, one that fits is enough.
  fits(entry) {
    const within = (name, x) => {
      const from = this.bounds[`${name} from`] ?? -Infinity;
      const to = this.bounds[`${name} to`] ?? Infinity;
      if (from === -Infinity && to === Infinity) return true;
      return x !== null && x >= from && x <= to;
    };
    const ended = this.bounds.ended ?? null;
    return entry.sides.some(
      (side) =>
        side &&
        within("return", side.return) &&
        within("length", side.length) &&
        (ended === null || Text.ending(side) === ended),
    );
  }

  draw() {
    const { column, down } = this.sorted;
    const sign = down ? -1 : 1;
    const order = (a, b) => {
      const [x, y] = [column.value(a), column.value(b)];
      if (x === y) return a.number - b.number;
      if (x === null) return 1; // what has no number stands last, both ways
      if (y === null) return -1;
      return sign * (typeof x === "string" ? x.localeCompare(y) : x - y);
    };
    this.shown = this.entries.filter((entry) => this.fits(entry)).sort(order);
    this.drawHead();
    this.body.replaceChildren(...this.shown.map((entry) => this.row(entry)));
    this.count.textContent = this.summary();
    this.mark(this.current);
  }

  drawHead() {
    const row = Text.element("tr");
    for (const column of this.columns) {
      const cell = Text.element("th");
      const isSorted = this.sorted.column === column;
      const arrow = isSorted ? (this.sorted.down ? " ↓" : " ↑") : "";
      const button = Text.element("button", "", column.name + arrow);
      button.type = "button";
      button.dataset.column = column.name;
      button.onclick = () => {
        this.sorted = { column, down: isSorted ? !this.sorted.down : false };
        this.draw();
        this.head.querySelector(`[data-column="${column.name}"]`).focus();
      };
      if (isSorted) cell.setAttribute("aria-sort", this.sorted.down ? "descending" : "ascending");
      cell.append(button);
      row.append(cell);
    }
    this.head.replaceChildren(row);
  }

  row(entry) {
    const row = Text.element("tr");
    row.dataset.number = entry.number;
    for (const column of this.columns) {
      const x = column.value(entry);
      const text = typeof x === "number" ? Text.brief(x) : (x ?? "–");
      const cell = Text.element("td", column.tag ? "" : "number", column.tag ? undefined : text);
      if (typeof x === "number") cell.textContent = Number.isInteger(x) ? String(x) : text;
      if (column.tag) cell.append(Text.element("span", `tag ${text.replace(" ", "-")}`, text));
      row.append(cell);
    }
    row.tabIndex = 0;
    row.onclick = () => this.choose(entry);
    row.onkeydown = (event) => {
      if (event.key === "Enter") this.choose(entry);
    };
    return row;
  }

  summary() {
    const all = this.entries.length;
    const returns = this.shown.map((entry) => entry.sides[0]?.return).filter((x) => x != null);
    const shown = this.shown.length === all ? `${all}` : `${this.shown.length} of ${all}`;
    const count = `${shown} ${all === 1 ? "episode" : "episodes"}`;
    if (!returns.length || this.compared) return count;
    const mean = returns.reduce((sum, x) => sum + x, 0) / returns.length;
    return `${count}, mean return ${Text.brief(mean)}`;
  }

  mark(entry) {
    this.current = entry;
    for (const row of this.body.children) {
      const isCurrent = entry !== null && Number(row.dataset.number) === entry.number;
      row.classList.toggle("current", isCurrent);
      if (isCurrent) this.reveal(row);
    }
  }

  // Scrolls the table, and only the table, until the row is in it.
  reveal(row) {
    const box = this.body.closest(".scroll");
    const top = row.offsetTop - this.head.offsetHeight;
    if (top < box.scrollTop) box.scrollTop = top;
    const bottom = row.offsetTop + row.offsetHeight - box.clientHeight;
    if (bottom > box.scrollTop) box.scrollTop = bottom;
  }

  // The entry before or after the current one, in the order of the table.
  neighbour(by) {
    const place = this.shown.indexOf(this.current);
    return this.shown[Math.min(Math.max(place + by, 0), this.shown.length - 1)] ?? null;
  }
}
