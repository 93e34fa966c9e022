// The film of one clip: which frame is shown, stepping, speeds, loops. Positions are frames of the clip; the API's are `clip.start` more.

import { signal } from "@preact/signals";
import { get } from "../api/client";
import type { Clip, FrameTimes } from "../api/types";
import { whenQuiet } from "../lib/hurry";
import { Timing } from "../lib/timing";
import { play, Pool, type Cause } from "./pool";

const SPEEDS = [1, 2, 4, 8];
const AROUND_FRAMES = 12;
const KEPT_TIMINGS = 200;
const timings = new Map<string, Timing>();

const asked = new Map<string, Promise<Timing | null>>();

/** When each frame of a clip is shown, from the server's frame table; asked for once. */
function timingOf(clip: string): Promise<Timing | null> {
  const known = asked.get(clip);
  if (known) return known;
  const answer = get<FrameTimes>(`/api/clips/${clip}/timing`).then(
    (said) => {
      const timing = Timing.fromRuns(said.runs, said.time_base);
      timings.set(clip, timing);
      return timing;
    },
    () => {
      asked.delete(clip);
      return null; // Until it is known, frames are taken to be of equal length.
    },
  );
  asked.set(clip, answer);
  for (const [oldest] of asked) {
    if (asked.size <= KEPT_TIMINGS) break;
    asked.delete(oldest);
    timings.delete(oldest);
  }
  return answer;
}

export class Player {
  readonly pool: Pool;
  /** The frame that is shown, counted from the clip's first. */
  readonly frame = signal(0);
  readonly playing = signal(false);
  /** Below 0 is backwards. */
  readonly speed = signal(1);
  readonly loop = signal(true);
  #clip: Clip | null = null;
  /** Undefined while it is on its way, null where it cannot be had. */
  #timing: Timing | null | undefined = null;
  #stop: (() => void) | null = null;
  /** What waits for the film and its frame table. */
  #later: (() => void) | null = null;
  #wanted: number | null = null;
  #seeking = false;

  /**
   * @param onBroken told why a clip does not play; with no cause, that it does after all.
   */
  constructor(host: HTMLElement, onBroken: (clip: string, cause: Cause | null, detail: string) => void) {
    this.pool = new Pool(host, (video, clip) => this.#follow(video, clip), onBroken);
  }

  get clip(): Clip | null {
    return this.#clip;
  }

  get timing(): Timing | null {
    const video = this.pool.current;
    if (this.#timing) return this.#timing;
    return this.#clip && video && video.duration > 0 ? Timing.even(this.#clip.frames, video.duration) : null;
  }

  /** Whether the frame table cannot be had: another frame may be on the screen than the one that is named. */
  get guesses(): boolean {
    return this.#timing === null;
  }

  /** The frame that one looks at: stopped, the one that was sought; else the one that was painted last. Null while nobody can say. */
  get here(): number | null {
    if (this.#wanted !== null) return this.#wanted;
    if (this.#timing === undefined) return null;
    const video = this.pool.current;
    const timing = this.timing;
    return video?.paused && timing ? timing.frameAt(video.currentTime) : this.frame.value;
  }

  /** Have these clips ready to be shown: their films, and when their frames are. */
  prepare(clips: readonly string[]): void {
    this.pool.prepare(clips);
    for (const clip of clips) void timingOf(clip);
  }

  /** Show a clip from its first frame. */
  show(clip: Clip): void {
    const same = this.#clip?.id === clip.id;
    this.#clip = clip;
    if (same) return;
    this.#end();
    this.#wanted = null;
    this.#timing = timings.get(clip.id);
    this.frame.value = 0;
    // The next film goes forwards.
    if (this.speed.value < 0) this.#setSpeed(1);
    this.pool.show(clip.id);
    if (!this.#timing) whenQuiet(() => this.#askTiming(clip.id));
  }

  #askTiming(clip: string): void {
    void timingOf(clip).then((timing) => {
      if (this.#clip?.id !== clip) return;
      this.#timing = timing;
      void this.#seekOn();
    });
  }

  /** The connection is back: what could not be had may be there now. */
  again(): void {
    this.pool.again();
    if (this.#clip && this.#timing === null) this.#askTiming(this.#clip.id);
  }

  /** With sound or without: the film goes on where it is, or stands there. */
  set sound(value: boolean) {
    if (value === this.pool.sound) return;
    const video = this.pool.current;
    const at = this.here;
    const goes = video !== null && !video.paused;
    this.pool.sound = value;
    if (!video) return;
    if (at) this.seek(at);
    if (goes) play(video);
  }

  clear(): void {
    this.#end();
    this.#wanted = null;
    this.#clip = null;
    this.playing.value = false;
    this.pool.clear();
  }

  toggle(): void {
    const video = this.pool.current;
    if (!video) return;
    if (this.#moves(video)) this.pause();
    else {
      this.#end();
      this.#setSpeed(1);
      if (!this.loop.value && this.#clip && this.frame.value >= this.#clip.frames - 1) video.currentTime = 0;
      play(video);
    }
  }

  pause(): void {
    this.#end();
    this.#setSpeed(1);
    this.pool.current?.pause();
    this.playing.value = false;
  }

  /** Whether it goes, also between being told to and the event that says so: two presses may come faster. */
  #moves(video: HTMLVideoElement): boolean {
    return this.playing.value || !video.paused;
  }

  /** J and L: in one direction, faster with each press; the other direction begins at 1 again. */
  shuttle(direction: 1 | -1): void {
    const video = this.pool.current;
    if (!video) return;
    const going = this.#moves(video) && Math.sign(this.speed.value) === direction;
    const at = SPEEDS.indexOf(Math.abs(this.speed.value));
    const speed = direction * (going ? (SPEEDS[Math.min(SPEEDS.length - 1, at + 1)] ?? 1) : 1);
    this.#end();
    this.#setSpeed(speed);
    if (direction === 1) play(video);
    else this.#backwards(-speed);
  }

  /** Go by whole frames, stopped. */
  step(frames: number): void {
    const at = this.here ?? this.frame.value;
    this.pause();
    this.seek(at + frames);
  }

  /** Show a certain frame: the middle of it is sought, which is never the edge of two. */
  seek(frame: number): void {
    const clip = this.#clip;
    if (!clip) return;
    const to = Math.min(clip.frames - 1, Math.max(0, frame));
    this.#wanted = to;
    this.frame.value = to;
    void this.#seekOn();
  }

  setLoop(value: boolean): void {
    this.loop.value = value;
    this.pool.loop = value;
  }

  /** Play a few frames before and after a boundary, over and over: "in" is the clip's begin, "out" its end. */
  around(side: "in" | "out"): void {
    const video = this.pool.current;
    const clip = this.#clip;
    const { timing } = this;
    if (!video || !clip) return;
    this.#end();
    this.#wanted = null;
    this.#setSpeed(1);
    if (!timing) {
      this.#later = () => this.around(side);
      return;
    }
    const from = side === "in" ? 0 : Math.max(0, clip.frames - AROUND_FRAMES);
    const to = side === "in" ? Math.min(clip.frames, AROUND_FRAMES) : clip.frames;
    // At the clip's end it comes back to there, and not to the clip's begin.
    video.loop = false;
    video.currentTime = timing.middle(from);
    play(video);
    const handle = setInterval(
      () => {
        if (video.ended || this.frame.value >= to - 1 || this.frame.value < from) video.currentTime = timing.middle(from);
        if (video.paused) play(video);
      },
      Math.max(20, (timing.begin(from + 1) - timing.begin(from)) * 500),
    );
    this.#stop = () => {
      clearInterval(handle);
      video.loop = this.loop.value;
    };
  }

  /** Seek what is wanted; of a film that is still on its way, as soon as it is there. */
  async #seekOn(): Promise<void> {
    if (this.#seeking) return;
    const later = this.timing ? this.#later : null;
    later?.();
    this.#seeking = true;
    while (this.#wanted !== null) {
      const to: number = this.#wanted;
      const video = this.pool.current;
      const timing = this.#timing === undefined ? null : this.timing;
      if (!video || !timing || video.readyState < HTMLMediaElement.HAVE_METADATA) break;
      const there = await sought(video, timing.middle(to));
      if (there && this.#wanted === to && this.pool.current === video) this.#wanted = null;
    }
    this.#seeking = false;
  }

  #backwards(speed: number): void {
    const video = this.pool.current;
    if (!video || !this.#clip) return;
    video.pause();
    this.playing.value = true;
    let last = performance.now();
    let behindS = 0;
    let handle = 0;
    const tick = (now: number): void => {
      const timing = this.timing;
      behindS += ((now - last) / 1000) * speed;
      if (timing && !this.#seeking) {
        const from = this.frame.value;
        const [to, restS] = timing.back(from, behindS);
        behindS = restS;
        if (to < from) this.seek(to);
        else if (to > from) this.seek(this.loop.value ? to : 0);
      }
      last = now;
      handle = requestAnimationFrame(tick);
    };
    handle = requestAnimationFrame(tick);
    this.#stop = () => cancelAnimationFrame(handle);
  }

  #setSpeed(speed: number): void {
    this.speed.value = speed;
    this.pool.rate = Math.abs(speed);
  }

  #end(): void {
    this.#stop?.();
    this.#stop = null;
    this.#later = null;
  }

  #follow(video: HTMLVideoElement, clip: string): void {
    const current = (): boolean => this.pool.shown === clip && this.pool.current === video;
    this.playing.value = true;
    if (!video.dataset["followed"]) {
      video.dataset["followed"] = "yes";
      video.addEventListener("play", () => current() && (this.playing.value = true));
      video.addEventListener("loadedmetadata", () => current() && void this.#seekOn());
      video.addEventListener("pause", () => current() && this.speed.value > 0 && (this.playing.value = false));
    }
    const onFrame = (_: number, shown?: { mediaTime: number }): void => {
      if (!current()) return;
      const timing = this.timing;
      if (timing && this.#wanted === null) this.frame.value = timing.frameAt(shown ? shown.mediaTime : video.currentTime);
      this.#next(video, onFrame);
    };
    this.#next(video, onFrame);
  }

  #next(video: HTMLVideoElement, then: (now: number, shown?: { mediaTime: number }) => void): void {
    if ("requestVideoFrameCallback" in video) video.requestVideoFrameCallback(then);
    else requestAnimationFrame((now) => then(now));
  }
}

/** Seek, and wait until that frame is there. Returns whether it is: the film may have become another one. */
function sought(video: HTMLVideoElement, seconds: number): Promise<boolean> {
  return new Promise((resolve) => {
    const end = (event?: Event): void => {
      video.removeEventListener("seeked", end);
      video.removeEventListener("emptied", end);
      clearTimeout(timer);
      resolve(event?.type !== "emptied");
    };
    const timer = setTimeout(end, 1000);
    video.addEventListener("seeked", end);
    video.addEventListener("emptied", end);
    video.currentTime = seconds;
  });
}
