// Clips that may be different by now: they are looked at again, once nothing of ours is on its way, for what the server says meanwhile is old.

import { get } from "../api/client";
import type { Clip } from "../api/types";
import { outbox } from "./sending";

const MOST = 100;

export class Looks {
  readonly #doubted = new Set<string>();
  readonly #onSeen: (now: readonly Clip[]) => void;
  #looking = false;

  /**
   * @param onSeen told what became of clips that were in doubt.
   */
  constructor(onSeen: (now: readonly Clip[]) => void) {
    this.#onSeen = onSeen;
    outbox.count.subscribe((count) => {
      if (count === 0) this.soon();
    });
  }

  doubt(clip: string): void {
    this.#doubted.add(clip);
  }

  /** Look, as soon as that can say anything. */
  soon(): void {
    if (this.#doubted.size && outbox.count.value === 0 && !this.#looking) void this.#look();
  }

  async #look(): Promise<void> {
    const ids = [...this.#doubted].slice(0, MOST);
    for (const id of ids) this.#doubted.delete(id);
    const { told } = outbox;
    this.#looking = true;
    let now: Clip[] | null = null;
    try {
      now = (await get<{ items: Clip[] }>("/api/clips/picked", { id: ids })).items;
    } catch {
      // They are looked at when something else changes, or the connection is back.
    }
    this.#looking = false;
    const old = now === null || told !== outbox.told;
    if (old) for (const id of ids) this.#doubted.add(id);
    else if (now) this.#onSeen(now);
    if (now) this.soon();
  }
}
