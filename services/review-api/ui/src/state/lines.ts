// What was decided last, and what came of it.

import { signal } from "@preact/signals";
import type { Clip } from "../api/types";
import { framesOf, nameOf, type Word } from "./words";

/** A line of what was decided last. */
export interface Line {
  id: number;
  word: Word;
  what: string;
  state: "waiting" | "saved" | "refused";
  why: string;
}

const KEPT = 8;

export class Lines {
  /** The newest first. */
  readonly shown = signal<readonly Line[]>([]);
  #last = 0;

  /** Say what is on its way; returns the line's id. */
  add(word: Word, clip: Clip | null, what?: string): number {
    this.#last += 1;
    const text = what ?? (clip ? `${nameOf(clip)} · ${framesOf(clip.start, clip.end)}` : "");
    this.shown.value = [{ id: this.#last, word, what: text, state: "waiting" as const, why: "" }, ...this.shown.value].slice(0, KEPT);
    return this.#last;
  }

  edit(id: number, change: Partial<Line>): void {
    this.shown.value = this.shown.value.map((line) => (line.id === id ? { ...line, ...change } : line));
  }
}
