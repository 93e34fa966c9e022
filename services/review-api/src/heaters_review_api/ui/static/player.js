// A few stacked video elements: one is shown, the next ones are loaded and have decoded their first frame, so that showing
// one costs no time.

import { playAddress } from "./api.js";

export class Player {
  #screen;
  #videos = new Map();
  #shown = null;
  #onBroken;

  /** @param {HTMLElement} screen where the videos lie. @param {(clip: string) => void} onBroken told of a clip that does not play. */
  constructor(screen, onBroken) {
    this.#screen = screen;
    this.#onBroken = onBroken;
  }

  /** Have these clips ready, and no others but the one that is shown. */
  prepare(clips) {
    for (const [id, video] of this.#videos) {
      if (!clips.includes(id) && id !== this.#shown) this.#drop(id, video);
    }
    for (const id of clips) {
      if (!this.#videos.has(id)) this.#add(id);
    }
  }

  /** Show one clip, looping from its first frame. */
  show(id) {
    if (id === this.#shown) return;
    if (!this.#videos.has(id)) this.#add(id);
    const before = this.current;
    const video = this.#videos.get(id);
    this.#shown = id;
    video.classList.add("on");
    video.play().catch(() => {});
    if (before) {
      before.classList.remove("on");
      before.pause();
    }
  }

  /** Show nothing. */
  clear() {
    this.#shown = null;
    for (const [id, video] of [...this.#videos]) this.#drop(id, video);
  }

  get current() {
    return this.#videos.get(this.#shown) ?? null;
  }

  #add(id) {
    const video = document.createElement("video");
    video.muted = true;
    video.loop = true;
    video.playsInline = true;
    video.preload = "auto";
    video.disablePictureInPicture = true;
    video.dataset.clip = id;
    video.src = playAddress(id);
    video.addEventListener("error", () => this.#onBroken(id));
    this.#videos.set(id, video);
    this.#screen.append(video);
  }

  #drop(id, video) {
    this.#videos.delete(id);
    video.removeAttribute("src");
    video.load();
    video.remove();
  }
}
