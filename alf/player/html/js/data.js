"use strict";

// What is recorded in this page: runs, their episodes, and the pairs that are compared.
// An episode's film and numbers are decoded when it is first shown, not before.
const Data = (() => {
  const FORMAT = 1;

  function bytesOf(element) {
    const text = element.textContent;
    if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
    const raw = atob(text);
    const bytes = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
    return bytes;
  }

  class Episode {
    constructor(facts, run, film, numbers) {
      Object.assign(this, facts);
      this.run = run;
      this.filmElement = film;
      this.numbersElement = numbers;
      this.failed = facts.events.some((event) => event.kind === "failure");
      this.decoded = null;
    }

    film() {
      return new Blob([bytesOf(this.filmElement)], { type: "video/mp4" });
    }

    // Column name -> one array a number of the column, each with a number a step; null where the
    // policy said nothing, or nothing that can be drawn.
    numbers() {
      if (this.decoded) return this.decoded;
      const bytes = bytesOf(this.numbersElement);
      const width = this.columns.reduce((sum, [, w]) => sum + w, 0);
      const rows = this.length + 1;
      const flat = new Float32Array(bytes.buffer, bytes.byteOffset, rows * width);
      this.decoded = new Map();
      let place = 0;
      for (const [name, w] of this.columns) {
        const told = this.told.includes(name);
        const parts = [];
        for (let d = 0; d < w && told; d++) {
          const part = new Array(rows);
          for (let i = 0; i < rows; i++) {
            const x = flat[i * width + place + d];
            part[i] = Number.isFinite(x) ? x : null;
          }
          parts.push(part);
        }
        if (told) this.decoded.set(name, parts);
        place += w;
      }
      return this.decoded;
    }

    forget() {
      this.decoded = null;
    }
  }

  function read() {
    const runs = [];
    let pairs = null;
    let film = null;
    let numbers = null;
    for (const element of document.querySelectorAll("script[data-kind]")) {
      const kind = element.dataset.kind;
      if (kind === "video") film = element;
      else if (kind === "numbers") numbers = element;
      else {
        const facts = JSON.parse(element.textContent);
        if (kind === "run") {
          if (facts.format !== FORMAT) throw new Error(`data of format ${facts.format}`);
          runs.push({ index: runs.length, header: facts.header, episodes: [] });
        } else if (kind === "episode") {
          const run = runs[runs.length - 1];
          run.episodes.push(new Episode(facts, run, film, numbers));
        } else if (kind === "pairs") pairs = facts.pairs;
      }
    }
    return { runs, entries: entriesOf(runs, pairs) };
  }

  // An entry is what is shown at once: an episode, or those of two runs with one seed.
  function entriesOf(runs, pairs) {
    if (runs.length < 2 || !pairs) {
      return runs.flatMap((run) => run.episodes).map((e, i) => entry(i, [e], null));
    }
    return pairs.map((pair, i) => {
      const sides = pair.episodes.map((n, r) => (n === null ? null : runs[r].episodes[n]));
      return entry(i, sides, pair);
    });
  }

  function entry(index, sides, pair) {
    const there = sides.filter((side) => side);
    return {
      number: index + 1,
      sides,
      pair,
      seed: there[0].seed,
      length: Math.max(...there.map((side) => side.length)),
      fps: there[0].fps,
    };
  }

  return { read };
})();
