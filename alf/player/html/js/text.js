"use strict";

// Numbers and names as people read them.
const Text = (() => {
  // All digits that a float32 has, and none that it has not.
  function exact(x) {
    return x === null || x === undefined ? "–" : String(parseFloat(x.toPrecision(7)));
  }

  function brief(x) {
    if (x === null || x === undefined) return "–";
    if (x !== 0 && Math.abs(x) < 1e-3) return x.toExponential(1);
    return String(parseFloat(x.toPrecision(4)));
  }

  function thousands(n) {
    return n.toLocaleString("en-US");
  }

  // How an episode ended, in the words of the table.
  function ending(episode) {
    if (episode.ended === "interrupted") return "interrupted";
    if (episode.ended === "truncated") return "time limit";
    if (episode.failed) return "failure";
    return episode.success ? "success" : "terminated";
  }

  // What an event's numbers say.
  function event({ kind, facts }) {
    const tie = facts.lead === undefined ? "" : `, lead ${brief(facts.lead)}`;
    switch (kind) {
      case "failure":
        return `the task ended the episode, reward ${brief(facts.reward)}`;
      case "blunder":
      case "largest drop": {
        const value = `value ${brief(facts.before)} → ${brief(facts.after)}`;
        return `${value}, reward ${brief(facts.reward)}${chosen(facts, tie)}`;
      }
      case "lowest value":
        return `value ${brief(facts.value)}`;
      case "highest entropy":
        return `entropy ${brief(facts.entropy)} nats`;
      case "near-tie":
        return (chosen(facts, tie) || tie).replace(/^[;,] /, "");
      default:
        return facts.told || "";
    }
  }

  function chosen(facts, tie) {
    if (facts.action === undefined) return "";
    if (facts.action === facts.runner_up) {
      return `; action ${facts.action}, itself only the runner-up${tie}`;
    }
    const other = facts.runner_up === undefined ? "" : `, runner-up ${facts.runner_up}`;
    return `; action ${facts.action}${other}${tie}`;
  }

  // An element with text in it; what comes from names is never read as HTML.
  function element(tag, className, text) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  return { exact, brief, thousands, ending, event, element };
})();
