// What can be taken back, and what of that can be made again.

import type { Clip } from "../api/types";
import type { Word } from "./words";

/** A decision that can be taken back: what it was about, and under which key it was told. */
export interface Step {
  key: string;
  word: Word;
  clips: readonly Clip[];
}

const KEPT = 500;

export class Steps {
  #done: Step[] = [];
  #undone: Step[] = [];

  /** A decision was made: it is the next to be taken back, and what was taken back before is gone. */
  remember(step: Step): void {
    this.#done = [...this.#done.slice(1 - KEPT), step];
    this.#undone = [];
  }

  /** A decision was refused: it is no step to take back. */
  forget(key: string): void {
    this.#done = this.#done.filter((step) => step.key !== key);
    this.#undone = this.#undone.filter((step) => step.key !== key);
  }

  undo(): Step | undefined {
    const step = this.#done.pop();
    if (step) this.#undone.push(step);
    return step;
  }

  redo(): Step | undefined {
    const step = this.#undone.pop();
    if (step) this.#done.push(step);
    return step;
  }

  /** A decision could not be turned round. */
  notTurned(kind: "undo" | "redo", step: Step): void {
    if (kind === "undo") this.#undone = this.#undone.filter((one) => one !== step);
    else this.#done = this.#done.filter((one) => one !== step);
  }
}
