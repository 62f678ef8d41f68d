"use strict";

// Starts the player when everything of the page is there.
try {
  const data = Data.read();
  if (!data.entries.length) throw new Error("no episode was recorded");
  globalThis.player = new Player(data);
} catch (error) {
  document.querySelector("h1").textContent = `This recording cannot be shown: ${error.message}`;
}
