// A few stacked video elements: one is shown, the others are loaded and have decoded their first frame, so that showing one costs no
// time. A cold element takes 100 to 500 ms.

import { playAddress } from "../api/client";

export interface PoolItem {
  id: string;
}

export type Cause = "object" | "decoding" | "network";

export class Pool {
  readonly #host: HTMLElement;
  readonly #videos = new Map<string, HTMLVideoElement>();
  readonly #onBroken: (clip: string, cause: Cause, detail: string) => void;
  readonly #onShown: (video: HTMLVideoElement, clip: string) => void;
  #shown: string | null = null;
  #sound = false;
  #loop = true;
  #rate = 1;

  constructor(
    host: HTMLElement,
    onShown: (video: HTMLVideoElement, clip: string) => void,
    onBroken: (clip: string, cause: Cause, detail: string) => void,
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

  /** With sound or without: the films are others, so all are fetched anew; the shown one goes on where it was. */
  set sound(value: boolean) {
    if (value === this.#sound) return;
    this.#sound = value;
    for (const [id, video] of [...this.#videos]) {
      if (id !== this.#shown) {
        this.#drop(id, video);
        continue;
      }
      const at = video.currentTime;
      const paused = video.paused;
      video.src = playAddress(id, value);
      video.muted = !value;
      video.addEventListener(
        "loadedmetadata",
        () => {
          video.currentTime = at;
          if (!paused) play(video);
        },
        { once: true },
      );
    }
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
    video.src = playAddress(id, this.#sound);
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

  /** Why a clip does not play: its bytes are not to be had, they are no film, or nobody answers. */
  async #explain(id: string, video: HTMLVideoElement): Promise<void> {
    if (!video.hasAttribute("src")) return;
    const said = video.error?.message || `media error ${video.error?.code ?? 0}`;
    try {
      const answer = await fetch(playAddress(id, this.#sound), { headers: { range: "bytes=0-0" } });
      if (answer.ok) this.#onBroken(id, "decoding", said);
      else {
        const problem = (await answer.json().catch(() => ({}))) as { detail?: string };
        this.#onBroken(id, "object", problem.detail ?? `The server answered ${answer.status}.`);
      }
    } catch (error) {
      this.#onBroken(id, "network", error instanceof Error ? error.message : String(error));
    }
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
