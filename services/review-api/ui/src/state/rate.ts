// How many verdicts a minute are given here.

import { signal } from "@preact/signals";

const OVER_MS = 120_000;
const LEAST_MS = 5000;
const LEAST_COUNT = 3;

export class Rate {
  /** How many were given since the page was opened. */
  readonly count = signal(0);
  readonly #at: number[] = [];

  add(): void {
    this.#at.push(Date.now());
    this.count.value += 1;
  }

  takeBack(): void {
    this.#at.pop();
    this.count.value = Math.max(0, this.count.value - 1);
  }

  /** Verdicts a minute, over the last two minutes; null where they are too few to tell. */
  perMinute(now: number): number | null {
    const recent = this.#at.filter((at) => now - at < OVER_MS);
    const first = recent[0];
    if (recent.length < LEAST_COUNT || first === undefined) return null;
    return Math.round((recent.length * 60_000) / Math.max(LEAST_MS, now - first));
  }
}
