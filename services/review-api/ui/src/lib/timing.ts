// Which frame of a clip is shown at which second of its player, and back. The seconds come from the frame table's ticks and are only
// ever used to talk to a video element: what is told to the server is a frame.

import type { TimeBase } from "./time";

export class Timing {
  /** Second at which each frame begins, then when the last one ends; the first is 0. */
  readonly #edges: Float64Array;

  private constructor(edges: Float64Array) {
    this.#edges = edges;
  }

  /** Frames of equal length: a guess, until the ticks are known. */
  static even(frames: number, durationS: number): Timing {
    const edges = new Float64Array(frames + 1);
    for (let n = 0; n <= frames; n += 1) edges[n] = (durationS * n) / frames;
    return new Timing(edges);
  }

  /** From runs of [frames, ticks a frame]. */
  static fromRuns(runs: readonly (readonly number[])[], base: TimeBase): Timing {
    const scale = (base[0] ?? 0) / (base[1] ?? 1);
    const total = runs.reduce((sum, run) => sum + (run[0] ?? 0), 0);
    const edges = new Float64Array(total + 1);
    let ticks = 0;
    let at = 0;
    for (const [count = 0, step = 0] of runs) {
      for (let n = 0; n < count; n += 1) {
        ticks += step;
        at += 1;
        edges[at] = ticks * scale;
      }
    }
    return new Timing(edges);
  }

  get frames(): number {
    return this.#edges.length - 1;
  }

  get durationS(): number {
    return this.#edges[this.frames] ?? 0;
  }

  /** The middle of a frame, which is never the edge of two: where to seek to see it. */
  middle(frame: number): number {
    const n = Math.min(this.frames - 1, Math.max(0, frame));
    return ((this.#edges[n] ?? 0) + (this.#edges[n + 1] ?? 0)) / 2;
  }

  /** The second at which a frame begins. */
  begin(frame: number): number {
    return this.#edges[Math.min(this.frames, Math.max(0, frame))] ?? 0;
  }

  /** Backwards from a frame: where so many seconds lead, and what is left of them; before the first frame comes the last. */
  back(frame: number, seconds: number): [number, number] {
    let [at, left] = [frame, seconds];
    for (;;) {
      const before = at > 0 ? at - 1 : this.frames - 1;
      const length = this.begin(before + 1) - this.begin(before);
      if (length <= 0 || left < length) return [at, left];
      [at, left] = [before, left - length];
    }
  }

  /** The frame shown at a second. A frame's own begin, told with an error of rounding, still names that frame. */
  frameAt(seconds: number): number {
    const wanted = seconds + 1e-4;
    let low = 0;
    let high = this.frames - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#edges[middle] ?? 0) <= wanted) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
