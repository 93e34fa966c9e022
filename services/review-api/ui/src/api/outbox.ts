// What was decided here and is not confirmed yet: sent one after another, in order, always under the same key, until the server has
// answered. It is kept in storage, so that neither a reload nor a lost connection loses a verdict.

import { signal, type ReadonlySignal } from "@preact/signals";
import { newKey, Refused, send, SignedOut } from "./client";

export interface Wish {
  key: string;
  path: string;
  body: Record<string, unknown>;
  /** The wish whose decision this one turns round: its id is put in once it is known. */
  of?: string | undefined;
  /** For people: "approve · harbour 120–180". */
  label: string;
}

export type Outcome<T> = { kind: "done"; answer: T } | { kind: "refused"; problem: Refused };

interface Keeper {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

const FIRST_PAUSE_MS = 400;
const LONGEST_PAUSE_MS = 5000;
const MOST_TRIES_OF_A_FAULT = 5;

export type Sender = (wish: Wish) => Promise<unknown>;

const overHttp: Sender = (wish) => send("POST", wish.path, wish.body, wish.key);

export class Outbox {
  readonly #count = signal(0);
  readonly #trouble = signal<string | null>(null);
  readonly #signedOut = signal(false);
  #wishes: Wish[] = [];
  readonly #waiting = new Map<string, (outcome: Outcome<never>) => void>();
  readonly #decisions = new Map<string, string>();
  readonly #keeper: Keeper;
  readonly #name: string;
  readonly #send: Sender;
  readonly #onOrphan: (wish: Wish, outcome: Outcome<unknown>) => void;
  #running = false;
  #wake: (() => void) | null = null;

  constructor(keeper: Keeper, name: string, onOrphan: (wish: Wish, outcome: Outcome<unknown>) => void = () => {}, sender: Sender = overHttp) {
    this.#keeper = keeper;
    this.#name = name;
    this.#send = sender;
    this.#onOrphan = onOrphan;
    this.#wishes = this.#read();
    this.#count.value = this.#wishes.length;
    if (this.#wishes.length) void this.#run();
  }

  /** How many wait for an answer. */
  get count(): ReadonlySignal<number> {
    return this.#count;
  }

  /** Why the first one waits, while it does. */
  get trouble(): ReadonlySignal<string | null> {
    return this.#trouble;
  }

  /** Whether nothing is sent because nobody is signed in. */
  get signedOut(): ReadonlySignal<boolean> {
    return this.#signedOut;
  }

  /** Take something in; it is sent after all that was taken in before. */
  put<T>(path: string, body: Record<string, unknown>, label: string, of?: string): { key: string; outcome: Promise<Outcome<T>> } {
    const wish: Wish = { key: newKey(), path, body, label, of };
    this.#wishes.push(wish);
    this.#keep();
    const outcome = new Promise<Outcome<T>>((resolve) => this.#waiting.set(wish.key, resolve as (outcome: Outcome<never>) => void));
    void this.#run();
    return { key: wish.key, outcome };
  }

  /** Something has changed: try again at once. */
  nudge(): void {
    this.#signedOut.value = false;
    this.#wake?.();
    void this.#run();
  }

  async #run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    let tries = 0;
    try {
      for (let wish = this.#wishes[0]; wish; wish = this.#wishes[0]) {
        try {
          const decision = wish.of ? this.#decisions.get(wish.of) : undefined;
          const answer = await this.#send(decision ? { ...wish, body: { ...wish.body, decision } } : wish);
          tries = 0;
          this.#settle(wish, { kind: "done", answer: answer as never });
        } catch (error) {
          tries += 1;
          if (error instanceof Refused && (error.status < 500 || tries >= MOST_TRIES_OF_A_FAULT)) {
            tries = 0;
            this.#settle(wish, { kind: "refused", problem: error });
            continue;
          }
          this.#trouble.value = error instanceof Error ? error.message : String(error);
          if (error instanceof SignedOut) {
            this.#signedOut.value = true;
            return;
          }
          await this.#pause(Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (tries - 1)));
        }
      }
    } finally {
      this.#running = false;
    }
  }

  #settle(wish: Wish, outcome: Outcome<never>): void {
    this.#trouble.value = null;
    this.#wishes.shift();
    this.#keep();
    const said = outcome.kind === "done" ? (outcome.answer as { decision?: string } | undefined) : undefined;
    if (said?.decision) this.#decisions.set(wish.key, said.decision);
    const waiting = this.#waiting.get(wish.key);
    this.#waiting.delete(wish.key);
    if (waiting) waiting(outcome);
    else this.#onOrphan(wish, outcome);
  }

  #pause(ms: number): Promise<void> {
    return new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    }).then(() => {
      this.#wake = null;
    });
  }

  #read(): Wish[] {
    try {
      const kept: unknown = JSON.parse(this.#keeper.getItem(this.#name) ?? "[]");
      return Array.isArray(kept) ? (kept as Wish[]).filter((wish) => typeof wish?.key === "string" && typeof wish.path === "string") : [];
    } catch {
      return [];
    }
  }

  #keep(): void {
    this.#count.value = this.#wishes.length;
    try {
      if (this.#wishes.length) this.#keeper.setItem(this.#name, JSON.stringify(this.#wishes));
      else this.#keeper.removeItem(this.#name);
    } catch {
      // Storage is full or forbidden: what waits then lives as long as the page does.
    }
  }
}
