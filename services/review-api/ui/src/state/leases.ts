// The clips that are held here, for nobody else to get them: taken, kept by a sign of life, and handed back.

import { newKey, send } from "../api/client";
import type { Clip, Handed, StillHeld } from "../api/types";

const TAKING = "heaters.taking";

/** What is named in a sign of life; what lies farther behind is named when its turn comes nearer. */
const NAMED = 100;
const PATIENCE_MS = 10_000;

export class Leases {
  readonly #held = new Set<string>();
  readonly #shown: () => readonly Clip[];
  readonly #onLost: (clips: readonly string[]) => void;
  #leaseS = 90;
  #next: ReturnType<typeof setTimeout> | undefined;
  /** What is being handed back. */
  #back: Promise<unknown> = Promise.resolve();
  /** Signs of life that are on their way: what they name is not handed back before. */
  #beating: Promise<unknown> = Promise.resolve();

  /**
   * @param shown the clips that wait here: what has lapsed of them is held again.
   * @param onLost told which of them somebody else holds by now.
   */
  constructor(shown: () => readonly Clip[], onLost: (clips: readonly string[]) => void) {
    this.#shown = shown;
    this.#onLost = onLost;
  }

  /** Keep what is held from now on, and hand it back when the page is left. */
  start(): void {
    this.#beatSoon();
    // Timers of a page that was asleep, or is not looked at, come late.
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.beat());
    // A beacon is sent even by a page that is being closed.
    addEventListener("pagehide", () => this.#held.size && navigator.sendBeacon("/api/queue/leave", [...this.#held].join(" ")));
  }

  #beatSoon(): void {
    clearTimeout(this.#next);
    this.#next = setTimeout(() => this.beat(), (this.#leaseS * 1000) / 3);
  }

  /** Give a sign of life now. */
  beat(): void {
    this.#beatSoon();
    const before = this.#beating;
    this.#beating = this.#beat().catch(() => {}).then(() => before);
  }

  async #beat(): Promise<void> {
    await this.#back;
    const clips = this.#shown().slice(0, NAMED).map((clip) => clip.id);
    if (!this.#held.size && !clips.length) return;
    for (const clip of clips) this.#held.add(clip);
    const { lost } = await send<StillHeld>("POST", "/api/queue/heartbeat", { clips }, newKey(), { signal: AbortSignal.timeout(PATIENCE_MS) });
    for (const clip of lost) this.#held.delete(clip);
    if (lost.length) this.#onLost(lost);
  }

  /** Ask for clips. They are held once `hold` says so. */
  async take(order: string, limit: number, video: string | null): Promise<Handed> {
    // Else they would still be held, by oneself.
    await this.#back;
    const handed = await send<Handed>("POST", "/api/queue/next", { order, limit, video }, takeKey());
    taken();
    if (handed.lease_s !== this.#leaseS) {
      this.#leaseS = handed.lease_s;
      this.#beatSoon();
    }
    return handed;
  }

  hold(clips: readonly Clip[]): void {
    for (const clip of clips) this.#held.add(clip.id);
  }

  /** A verdict ends a clip's lease by itself. */
  end(clip: string): void {
    this.#held.delete(clip);
  }

  release(clips: readonly string[]): void {
    if (!clips.length) return;
    for (const clip of clips) this.#held.delete(clip);
    const back = this.#beating.then(() => send("POST", "/api/queue/release", { clips }, newKey(), { keepalive: true })).catch(() => {});
    this.#back = Promise.all([this.#back, back]);
  }

  releaseAll(): void {
    this.release([...this.#held]);
  }

  /** Hand back all that this person holds, on whichever page. */
  async releaseEverywhere(): Promise<void> {
    await send("POST", "/api/queue/release", { clips: null }, newKey()).catch(() => {});
  }
}

/** The key of what is being taken: a page that was left before the answer came asks again for the very same clips. */
function takeKey(): string {
  try {
    const key = sessionStorage.getItem(TAKING) ?? newKey();
    sessionStorage.setItem(TAKING, key);
    return key;
  } catch {
    return newKey();
  }
}

function taken(): void {
  try {
    sessionStorage.removeItem(TAKING);
  } catch {
    // Nothing was kept.
  }
}
