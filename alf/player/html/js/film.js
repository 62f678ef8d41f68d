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
  }

  async load(episode) {
    this.episode = episode;
    this.video.pause();
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = URL.createObjectURL(episode.film());
    const ready = Film.once(this.video, "loadeddata");
    this.video.src = this.url;
    this.video.load();
    await ready;
  }

  unload() {
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
    const done = Film.once(this.video, "seeked");
    // The middle of the frame's time: never the edge between two.
    this.video.currentTime = (step + 0.5) / this.episode.fps;
    await done;
    // The event may come before the new frame is there.
    for (let attempt = 0; attempt < 120; attempt++) {
      frame = this.current();
      if (frame.step === step) return frame;
      frame.close();
      await new Promise((go) => requestAnimationFrame(go));
    }
    throw new Error(`the film does not show step ${step}`);
  }

  // The frame that the film shows now.
  current() {
    const fps = this.episode.fps;
    if (typeof VideoFrame === "function") {
      const image = new VideoFrame(this.video);
      const step = Math.round((image.timestamp / 1e6) * fps);
      return { step, image, sure: true, close: () => image.close() };
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

  static once(video, name) {
    return new Promise((resolve, reject) => {
      const clear = () => {
        video.removeEventListener(name, good);
        video.removeEventListener("error", bad);
      };
      const good = () => (clear(), resolve());
      const bad = () => (clear(), reject(new Error(video.error?.message || "cannot be decoded")));
      video.addEventListener(name, good);
      video.addEventListener("error", bad);
    });
  }
}
