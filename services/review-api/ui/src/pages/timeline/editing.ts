// What stands on the line and which cut is chosen. A change of cuts shows at once, over what the server said last, and is confirmed behind; what is
// refused is taken back, and so is what was chosen by it, unless something else was chosen since.

import { batch, computed, signal } from "@preact/signals";
import type { Outcome } from "../../api/outbox";
import type { CutsChanged, Turned, VideoDetail } from "../../api/types";
import { patched, patchOf, unknownTo, type AnyCut, type CutWish, type Patch, type Pending } from "../../lib/cuts";

export interface Means {
  /** Tell the server of a change, in order. */
  tell: (wish: CutWish) => { key: string; outcome: Promise<Outcome<CutsChanged>> };
  /** Say why something was refused; `key` is that of the change. */
  refuse: (key: string, why: string) => void;
  /** Ask for the video as it is now. */
  reload: () => void;
  /** Whose changes these are. */
  who: () => string | null;
}

const KEPT = 500;

export class Editing {
  /** The video as the server said last. */
  readonly video = signal<VideoDetail | null>(null);
  readonly cuts = computed<readonly AnyCut[]>(() => patched(this.video.value?.cuts ?? [], this.#pending.value));
  readonly frames = computed(() => this.video.value?.frames ?? this.video.value?.clips_list.at(-1)?.end ?? 0);
  /** The frame that is looked at. */
  readonly at = signal(0);
  /** The frame of the chosen cut, and where it would go. */
  readonly chosen = signal<number | null>(null);
  readonly to = signal<number | null>(null);
  readonly #pending = signal<readonly Pending[]>([]);
  readonly #made = new Map<string, { does: Patch; undoes: Patch }>();
  readonly #means: Means;
  #choices = 0;
  #turns = 0;

  constructor(means: Means) {
    this.#means = means;
  }

  /** The video as the server says it is; what is older than what is known already changes nothing. */
  take(video: VideoDetail): void {
    if (video.version < (this.video.peek()?.version ?? 0)) return;
    batch(() => {
      this.video.value = video;
      this.#pending.value = unknownTo(video.version, this.#pending.peek());
      this.look(this.at.peek());
      this.#chooseNoneThatIsGone();
    });
  }

  look(frame: number): void {
    this.at.value = Math.max(0, Math.min(this.frames.peek() - 1, frame));
  }

  choose(frame: number | null): void {
    this.#choices += 1;
    batch(() => {
      this.chosen.value = frame;
      this.to.value = frame;
      if (frame !== null) this.at.value = frame;
    });
  }

  /** The first and the last frame to which the cut at this frame may go; where its neighbours are too near, it stays. */
  room(frame: number): [number, number] {
    const all = this.cuts.peek().map((cut) => cut.frame);
    const n = all.indexOf(frame);
    const distance = this.video.peek()?.cut_distance_frames ?? 1;
    const [low, high] = [(all[n - 1] ?? 0) + distance, (all[n + 1] ?? this.frames.peek()) - distance];
    return low <= high ? [low, high] : [frame, frame];
  }

  /** Where the chosen cut would go, so many frames from where it would have gone. */
  move(by: number): void {
    const from = this.chosen.peek();
    if (from !== null) this.moveTo((this.to.peek() ?? from) + by);
  }

  moveTo(frame: number): void {
    const from = this.chosen.peek();
    if (from === null) return;
    const [low, high] = this.room(from);
    batch(() => {
      this.to.value = Math.min(high, Math.max(low, frame));
      this.at.value = this.to.value;
    });
  }

  /** Change a cut: it is so at once. */
  change(wish: CutWish): void {
    const made = patchOf(this.cuts.peek(), wish, this.#means.who());
    const before = this.chosen.peek();
    const { key, outcome } = this.#means.tell(wish);
    this.#made.set(key, made);
    if (this.#made.size > KEPT) this.#made.delete(this.#made.keys().next().value as string);
    batch(() => {
      this.#lay(key, made.does);
      this.choose(wish.operation === "remove" || wish.operation === "confirm" ? null : (wish.to ?? wish.frame));
    });
    const choice = this.#choices;
    void outcome.then((said) => {
      if (said.kind === "done") {
        this.#settle(key, said.answer.sequence, said.answer.cuts);
        return;
      }
      this.#made.delete(key);
      batch(() => {
        this.#withdraw(key);
        if (choice === this.#choices) this.choose(before);
        this.#chooseNoneThatIsGone();
      });
      this.#means.refuse(key, said.problem.message);
    });
  }

  /** A change was taken back, or made again: that shows at once, too. */
  turn(kind: "undo" | "redo", of: string, outcome: Promise<Outcome<Turned>>): void {
    const made = this.#made.get(of);
    if (!made) return;
    this.#turns += 1;
    const key = `${kind} ${this.#turns}`;
    batch(() => {
      this.#lay(key, kind === "undo" ? made.undoes : made.does);
      this.#chooseNoneThatIsGone();
    });
    void outcome.then((said) => (said.kind === "done" ? this.#settle(key, said.answer.sequence, null) : this.#withdraw(key)));
  }

  #lay(key: string, patch: Patch): void {
    this.#pending.value = [...this.#pending.peek(), { key, patch, since: null }];
  }

  #withdraw(key: string): void {
    this.#pending.value = this.#pending.peek().filter((one) => one.key !== key);
  }

  /** The server has made the change: what it says from this version on has it. */
  #settle(key: string, version: number, cuts: VideoDetail["cuts"] | null): void {
    const known = this.video.peek();
    batch(() => {
      this.#pending.value = this.#pending.peek().map((one) => (one.key === key ? { ...one, since: version } : one));
      if (known && cuts && version > known.version) this.take({ ...known, cuts, version });
      else this.#pending.value = unknownTo(known?.version ?? 0, this.#pending.peek());
    });
    this.#means.reload();
  }

  #chooseNoneThatIsGone(): void {
    const frame = this.chosen.peek();
    if (frame !== null && !this.cuts.peek().some((cut) => cut.frame === frame)) this.choose(null);
  }
}
