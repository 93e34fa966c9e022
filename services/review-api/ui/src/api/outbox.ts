// What was decided here and is not confirmed yet: sent in order, always under the same key, until the server has answered. What is about
// different videos need not wait for each other. It is kept in storage, so that neither a reload nor a lost connection loses a verdict.

import { signal, type ReadonlySignal } from "@preact/signals";
import { newKey, Refused, send, SignedOut } from "./client";

export interface Wish {
  key: string;
  path: string;
  body: Record<string, unknown>;
  /** The wish whose decision this one turns round: its id is put in once it is known. */
  of?: string | undefined;
  /** The one video it is about; without it, it waits for all before it, and all after it wait for it. */
  video?: string | undefined;
  /** Who decided it. */
  by?: string | null;
  /** For people: "approve · harbour 120–180". */
  label: string;
}

export type Outcome<T> = { kind: "done"; answer: T } | { kind: "refused"; problem: Refused };

interface Keeper {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

const AT_ONCE = 4;
const FIRST_PAUSE_MS = 400;
const LONGEST_PAUSE_MS = 5000;
const MOST_TRIES_OF_A_FAULT = 5;

export type Sender = (wish: Wish) => Promise<unknown>;

const overHttp: Sender = (wish) => send("POST", wish.path, wish.body, wish.key, { priority: "high" });

/** The wishes in what was kept; what is none is left out. */
export function wishesIn(kept: () => string | null): Wish[] {
  try {
    const found: unknown = JSON.parse(kept() ?? "[]");
    return Array.isArray(found) ? (found as Wish[]).filter((wish) => typeof wish?.key === "string" && typeof wish.path === "string" && typeof wish.body === "object") : [];
  } catch {
    return [];
  }
}

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
  readonly #who: () => string | null;
  readonly #flying = new Set<string>();
  readonly #faults = new Map<string, number>();
  #tries = 0;
  #told = 0;
  #pausing: ReturnType<typeof setTimeout> | null = null;

  /**
   * @param who whose verdicts are sent: what somebody else left in this browser waits until they are back.
   */
  constructor(
    keeper: Keeper,
    name: string,
    onOrphan: (wish: Wish, outcome: Outcome<unknown>) => void = () => {},
    sender: Sender = overHttp,
    who: () => string | null = () => null,
  ) {
    this.#keeper = keeper;
    this.#name = name;
    this.#send = sender;
    this.#onOrphan = onOrphan;
    this.#who = who;
    this.#wishes = wishesIn(() => this.#keeper.getItem(this.#name));
    this.#recount();
    this.#pump();
  }

  /** How many wait for an answer. */
  get count(): ReadonlySignal<number> {
    return this.#count;
  }

  /** How many were ever taken in: what was asked for before the last one is old. */
  get told(): number {
    return this.#told;
  }

  /** Why they wait, while they do. */
  get trouble(): ReadonlySignal<string | null> {
    return this.#trouble;
  }

  /** Whether nothing is sent because nobody is signed in. */
  get signedOut(): ReadonlySignal<boolean> {
    return this.#signedOut;
  }

  /** Take something in; it is sent after all that was taken in before and is about the same video, or about no certain one. */
  put<T>(path: string, body: Record<string, unknown>, label: string, more: { of?: string | undefined; video?: string | undefined } = {}): { key: string; outcome: Promise<Outcome<T>> } {
    const decision = more.of ? this.#decisions.get(more.of) : undefined;
    const wish: Wish = { key: newKey(), path, body: decision ? { ...body, decision } : body, label, by: this.#who(), ...more };
    this.#told += 1;
    this.#wishes.push(wish);
    this.#keep();
    const outcome = new Promise<Outcome<T>>((resolve) => this.#waiting.set(wish.key, resolve as (outcome: Outcome<never>) => void));
    this.#pump();
    return { key: wish.key, outcome };
  }

  /** Take in what another one has left behind; it was decided before what waits here. */
  adopt(wishes: readonly Wish[]): void {
    const fresh = wishes.filter((wish) => !this.#wishes.some((other) => other.key === wish.key));
    if (!fresh.length) return;
    this.#wishes = [...fresh, ...this.#wishes];
    this.#keep();
    this.#pump();
  }

  /** Something has changed: try again at once. */
  nudge(): void {
    this.#signedOut.value = false;
    // What was decided before it was known who sits here is theirs.
    const who = this.#who();
    for (const wish of this.#wishes) wish.by ??= who;
    this.#keep();
    this.#go();
  }

  #mine(wish: Wish): boolean {
    return !wish.by || wish.by === this.#who();
  }

  /** Send whatever nothing stands before. */
  #pump(): void {
    if (this.#pausing || this.#signedOut.peek()) return;
    const before: Wish[] = [];
    for (const wish of this.#wishes) {
      if (this.#flying.size >= AT_ONCE) return;
      if (!this.#mine(wish)) continue;
      if (!this.#flying.has(wish.key) && !before.some((other) => !other.video || !wish.video || other.video === wish.video)) void this.#fly(wish);
      before.push(wish);
    }
  }

  async #fly(wish: Wish): Promise<void> {
    this.#flying.add(wish.key);
    try {
      // Without a decision of its own the server would turn round another one.
      if (wish.of && !wish.body["decision"]) throw new Refused(409, { detail: "What this was to take back was refused itself: there is nothing to undo." });
      const answer = await this.#send(wish);
      this.#settle(wish, { kind: "done", answer: answer as never });
    } catch (error) {
      // A connection that is lost is no fault of what is sent, however often.
      const faults = (this.#faults.get(wish.key) ?? 0) + (error instanceof Refused ? 1 : 0);
      this.#faults.set(wish.key, faults);
      if (error instanceof Refused && (error.status < 500 || faults >= MOST_TRIES_OF_A_FAULT)) {
        this.#settle(wish, { kind: "refused", problem: error });
      } else {
        this.#trouble.value = error instanceof Error ? error.message : String(error);
        if (error instanceof SignedOut) this.#signedOut.value = true;
        else this.#pause();
      }
    } finally {
      this.#flying.delete(wish.key);
      this.#pump();
    }
  }

  #settle(wish: Wish, outcome: Outcome<never>): void {
    this.#trouble.value = null;
    this.#tries = 0;
    this.#faults.delete(wish.key);
    this.#wishes = this.#wishes.filter((other) => other !== wish);
    const decision = outcome.kind === "done" ? (outcome.answer as { decision?: string } | undefined)?.decision : undefined;
    if (decision) {
      this.#decisions.set(wish.key, decision);
      // Kept with what takes it back: a reload would forget which one that means.
      for (const other of this.#wishes) if (other.of === wish.key) other.body = { ...other.body, decision };
    }
    this.#keep();
    const waiting = this.#waiting.get(wish.key);
    this.#waiting.delete(wish.key);
    if (waiting) waiting(outcome);
    else this.#onOrphan(wish, outcome);
  }

  #pause(): void {
    if (this.#pausing) return;
    this.#pausing = setTimeout(() => this.#go(), Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#tries));
    this.#tries += 1;
  }

  #go(): void {
    if (this.#pausing) clearTimeout(this.#pausing);
    this.#pausing = null;
    this.#pump();
  }

  #keep(): void {
    this.#recount();
    try {
      if (this.#wishes.length) this.#keeper.setItem(this.#name, JSON.stringify(this.#wishes));
      else this.#keeper.removeItem(this.#name);
    } catch {
      // Storage is full or forbidden: what waits then lives as long as the page does.
    }
  }

  #recount(): void {
    this.#count.value = this.#wishes.filter((wish) => this.#mine(wish)).length;
  }
}
