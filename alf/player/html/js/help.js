"use strict";

// What the keys do, and the page that says so.
const Help = (() => {
  const KEYS = [
    ["space", "play, pause", [" "], (p) => p.toggle()],
    ["→  ←", "one step on, back", ["ArrowRight", "."], (p) => p.move(1)],
    [null, null, ["ArrowLeft", ","], (p) => p.move(-1)],
    ["shift →  ←", "ten steps", ["shift+ArrowRight"], (p) => p.move(10)],
    [null, null, ["shift+ArrowLeft"], (p) => p.move(-10)],
    ["Home  End", "first, last step", ["Home"], (p) => p.go(0)],
    [null, null, ["End"], (p) => p.go(p.entry.length)],
    ["↓  ↑", "next, previous episode of the table", ["ArrowDown", "j"], (p) => p.openNeighbour(1)],
    [null, null, ["ArrowUp", "k"], (p) => p.openNeighbour(-1)],
    ["+  -", "faster, slower", ["+", "="], (p) => p.changeSpeed(1)],
    [null, null, ["-"], (p) => p.changeSpeed(-1)],
    ["]  [", "next, previous event", ["]", "n"], (p) => p.jump(1)],
    [null, null, ["[", "p"], (p) => p.jump(-1)],
    ["f", "failure", ["f"], (p) => p.jump(1, "failure")],
    ["b", "blunder: the largest drop in value", ["b"], (p) => p.jump(1, "blunder", "largest drop")],
    ["v", "lowest value", ["v"], (p) => p.jump(1, "lowest value")],
    ["e", "highest entropy", ["e"], (p) => p.jump(1, "highest entropy")],
    ["t", "near-tie: the narrowest decision", ["t"], (p) => p.jump(1, "near-tie")],
    ["d", "where two runs part", ["d"], (p) => p.jump(1, "divergence")],
    ["z  x", "zoom the charts in, out (also ctrl + wheel)", ["z"], (p) => p.charts.zoom(0.5)],
    [null, null, ["x"], (p) => p.charts.zoom(2)],
    ["c", "copy a link to this step", ["c"], (p) => p.copyLink()],
    ["?", "this help", ["?"], () => toggle()],
  ];
  const ACTIONS = new Map(KEYS.flatMap(([, , keys, act]) => keys.map((key) => [key, act])));

  function action(event) {
    const name = event.shiftKey && event.key.startsWith("Arrow") ? `shift+${event.key}` : event.key;
    return ACTIONS.get(name);
  }

  function toggle() {
    const dialog = document.getElementById("help");
    if (dialog.open) return dialog.close();
    if (!dialog.children.length) fill(dialog);
    dialog.showModal();
  }

  function fill(dialog) {
    const list = Text.element("dl");
    for (const [keys, what] of KEYS) {
      if (keys) list.append(Text.element("dt", "", keys), Text.element("dd", "", what));
    }
    const close = Text.element("button", "", "Close");
    close.type = "button";
    close.onclick = () => dialog.close();
    const told =
      "Press or drag on a chart to scrub; move over it to read exact values. A blunder stands at " +
      "the step of the action after which the policy expected less than before it.";
    dialog.append(Text.element("h2", "", "Keys"), list, Text.element("p", "", told), close);
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close();
    });
  }

  return { action, toggle };
})();
