// Between a cut and its answer nobody knows which clips there are. Keys that are pressed meanwhile are meant for what comes of it: they wait, in
// order, and do then what they would have done had they been pressed a moment later. While the server cannot be reached nothing waits.

import type { ReadonlySignal } from "@preact/signals";

export class Cutting {
  readonly #trouble: ReadonlySignal<unknown>;
  readonly #onDropped: (keys: number) => void;
  #open = 0;
  #later: (() => void)[] = [];

  /**
   * @param trouble something while the server cannot be reached.
   * @param onDropped told how many keys were given up, for their cut was refused or cannot be settled now.
   */
  constructor(trouble: ReadonlySignal<unknown>, onDropped: (keys: number) => void) {
    this.#trouble = trouble;
    this.#onDropped = onDropped;
  }

  /** A cut is on its way; `onTrouble` is called if that may last. Returns what is to be called once it is settled, done or not. */
  begin(onTrouble: () => void): (done: boolean) => void {
    let waits = true;
    this.#open += 1;
    const end = (done: boolean): void => {
      if (!waits) return;
      waits = false;
      this.#open -= 1;
      if (!done) this.#drop();
      while (!this.#open && this.#later.length) this.#later.shift()?.();
    };
    const stop = this.#trouble.subscribe((trouble) => {
      if (!trouble || !waits) return;
      end(false);
      onTrouble();
    });
    return (done) => {
      stop();
      end(done);
    };
  }

  /** Now, or once all cuts are settled. */
  after(run: () => void): void {
    if (this.#open) this.#later.push(run);
    else run();
  }

  #drop(): void {
    if (this.#later.length) this.#onDropped(this.#later.length);
    this.#later = [];
  }
}
