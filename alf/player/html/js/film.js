"use strict";

// The film of one episode, as frames by step. A frame always comes with the step that it shows:
// where the browser can tell, the number is read from the frame itself, not from what was asked.
class Film {
  constructor() {
    this.video = document.createElement("video");
    Object.assign(this.video, { muted: true, playsInline: true, preload: "auto" });
    this.video.className = "film";
    document.body.append(this.video);
    this.episode = null;
    this.url = "";
    this.stopWaiting = () => {};
  }

  async load(episode) {
    this.stopWaiting();
    this.episode = episode;
    this.video.pause();
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = URL.createObjectURL(episode.film());
    const ready = this.once("loadeddata");
    this.video.src = this.url;
    this.video.load();
    await ready;
  }

  unload() {
    this.stopWaiting();
    this.episode = null;
    this.video.pause();
    this.video.removeAttribute("src");
    this.video.load();
  }

  // The frame of a step: { step, image, close }. The caller draws it and closes it.
  async frame(step) {
    let frame = this.current();
    if (frame.step === step && frame.sure) return frame;
    frame.close();
    const done = this.once("seeked");
    // The middle of the frame's time: never the edge between two.
    this.video.currentTime = (step + 0.5) / this.episode.fps;
    await done;
    const { episode } = this;
    // The event may come before the new frame is there.
    const began = performance.now();
    while (episode === this.episode && performance.now() - began < Film.PATIENCE) {
      frame = this.current();
      if (frame.step === step) return frame;
      frame.close();
      await Film.nextPaint();
    }
    throw new Error(`the film does not show step ${step}`);
  }

  static PATIENCE = 5000; // milliseconds

  // The next time that the screen is drawn; a hidden page is not drawn at all.
  static nextPaint() {
    return new Promise((go) => {
      const timer = setTimeout(go, 100);
      requestAnimationFrame(() => (clearTimeout(timer), go()));
    });
  }

  // The frame that the film shows now.
  current() {
    const fps = this.episode.fps;
    if (typeof VideoFrame === "function") {
      try {
        const image = new VideoFrame(this.video);
        const step = Math.round((image.timestamp / 1e6) * fps);
        return { step, image, sure: true, close: () => image.close() };
      } catch {
        return { step: -1, image: null, sure: false, close: () => {} }; // nothing is decoded yet
      }
    }
    const step = Math.min(Math.floor(this.video.currentTime * fps + 1e-3), this.episode.length);
    return { step, image: this.video, sure: false, close: () => {} };
  }

  draw(canvas, frame) {
    const { width, height } = this.episode;
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    const context = canvas.getContext("2d");
    // Odd pictures were given a row or column more for the film; it is left out here.
    context.drawImage(frame.image, 0, 0, width, height, 0, 0, width, height);
  }

  // Waits for an event of the film; fails with the film, or when another one takes its place.
  once(name) {
    return new Promise((resolve, reject) => {
      const { video } = this;
      const clear = () => {
        video.removeEventListener(name, good);
        video.removeEventListener("error", bad);
      };
      const good = () => (clear(), resolve());
      const bad = () => (clear(), reject(new Error(video.error?.message || "cannot be decoded")));
      this.stopWaiting = () => (clear(), reject(new Error("another film is shown")));
      video.addEventListener(name, good);
      video.addEventListener("error", bad);
    });
  }
}
