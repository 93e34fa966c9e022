// A few stacked video elements: one is shown, the others are loaded and have decoded their first frame, so that showing one costs no
// time. A cold element takes 100 to 500 ms.

import { playAddress } from "../api/client";
import { explain, type Cause } from "./broken";

export type { Cause };

export class Pool {
  readonly #host: HTMLElement;
  readonly #videos = new Map<string, HTMLVideoElement>();
  readonly #onBroken: (clip: string, cause: Cause | null, detail: string) => void;
  readonly #onShown: (video: HTMLVideoElement, clip: string) => void;
  #shown: string | null = null;
  #sound = false;
  #loop = true;
  #rate = 1;

  constructor(
    host: HTMLElement,
    onShown: (video: HTMLVideoElement, clip: string) => void,
    onBroken: (clip: string, cause: Cause | null, detail: string) => void,
  ) {
    this.#host = host;
    this.#onShown = onShown;
    this.#onBroken = onBroken;
  }

  /** The element that is shown. */
  get current(): HTMLVideoElement | null {
    return (this.#shown && this.#videos.get(this.#shown)) || null;
  }

  get shown(): string | null {
    return this.#shown;
  }

  /** Have these clips ready, and no others but the one that is shown. */
  prepare(clips: readonly string[]): void {
    for (const [id, video] of this.#videos) {
      if (id === this.#shown) continue;
      if (!clips.includes(id)) this.#drop(id, video);
      else if (!video.paused) rewind(video);
    }
    for (const id of clips) if (!this.#videos.has(id)) this.#add(id);
  }

  /** Show one clip, playing from its first frame. */
  show(id: string): void {
    if (id === this.#shown) return;
    const video = this.#videos.get(id) ?? this.#add(id);
    const before = this.current;
    this.#shown = id;
    // Nothing but what is seen: the one before goes on, unseen and unheard, until there is time to stop it.
    if (before) {
      before.classList.remove("on");
      before.muted = true;
    }
    video.classList.add("on");
    if (video.error) this.#load(id, video);
    video.muted = !this.#sound;
    if (video.playbackRate !== this.#rate) video.playbackRate = this.#rate;
    if (!video.paused) rewind(video);
    play(video);
    this.#onShown(video, id);
  }

  /** Show nothing. */
  clear(): void {
    this.#shown = null;
    for (const [id, video] of [...this.#videos]) this.#drop(id, video);
  }

  set loop(value: boolean) {
    this.#loop = value;
    for (const video of this.#videos.values()) video.loop = value;
  }

  set rate(value: number) {
    this.#rate = value;
    const video = this.current;
    if (video) video.playbackRate = value;
  }

  get sound(): boolean {
    return this.#sound;
  }

  /** With sound or without: the films are others, so all are fetched anew, and begin anew. */
  set sound(value: boolean) {
    this.#sound = value;
    for (const [id, video] of [...this.#videos]) {
      if (id !== this.#shown) {
        this.#drop(id, video);
        continue;
      }
      this.#load(id, video);
      video.muted = !value;
    }
  }

  /** The connection is back: fetch again what could not be had. */
  again(): void {
    for (const [id, video] of this.#videos) {
      if (!video.error) continue;
      this.#load(id, video);
      if (id === this.#shown) play(video);
    }
  }

  #load(id: string, video: HTMLVideoElement): void {
    video.src = playAddress(id, this.#sound);
    // Another film sets it back.
    if (id === this.#shown) video.playbackRate = this.#rate;
  }

  #add(id: string): HTMLVideoElement {
    const video = document.createElement("video");
    video.muted = true;
    video.loop = this.#loop;
    video.playsInline = true;
    video.preload = "auto";
    video.disablePictureInPicture = true;
    video.tabIndex = -1;
    video.dataset["clip"] = id;
    video.addEventListener("error", () => void this.#explain(id, video));
    video.addEventListener("loadeddata", () => this.#onBroken(id, null, ""));
    this.#load(id, video);
    this.#videos.set(id, video);
    this.#host.append(video);
    return video;
  }

  #drop(id: string, video: HTMLVideoElement): void {
    this.#videos.delete(id);
    video.removeAttribute("src");
    video.load();
    video.remove();
  }

  async #explain(id: string, video: HTMLVideoElement): Promise<void> {
    if (!video.hasAttribute("src")) return;
    const { cause, detail } = await explain(id, this.#sound, video);
    // It may have been dropped, or fetched again meanwhile.
    if (video.error && this.#videos.get(id) === video) this.#onBroken(id, cause, detail);
  }
}

/** Whoever comes back to a film (undo) sees it from its beginning. */
function rewind(video: HTMLVideoElement): void {
  video.pause();
  if (video.readyState >= 1) video.currentTime = 0;
}

/** Play; where the browser wants a gesture first, without sound. */
export function play(video: HTMLVideoElement): void {
  video.play().catch((error: unknown) => {
    if (error instanceof DOMException && error.name === "NotAllowedError" && !video.muted) {
      video.muted = true;
      video.play().catch(() => {});
    }
  });
}
