// What is reviewed: the clips that this reviewer holds, what was decided, and how it is taken back. A verdict shows at once and is
// confirmed behind; what the server answers then settles what is shown.

import { batch, computed, signal } from "@preact/signals";
import { get, SignedOut } from "../api/client";
import type { Outcome } from "../api/outbox";
import type { Actions, Change, Clip, CutsChanged, Grouped, Queue, Turned, Verdict, VerdictGiven } from "../api/types";
import type { CutWish } from "../lib/cuts";
import { Cutting } from "../lib/cutting";
import { whenQuiet } from "../lib/hurry";
import { Leases } from "./leases";
import { Lines } from "./lines";
import { onChanges, onLive } from "./live";
import { Looks } from "./looks";
import { me, settings } from "./me";
import { named, personOf } from "./people";
import { Rate } from "./rate";
import { outbox, tell } from "./sending";
import { Steps, type Step } from "./steps";
import { say } from "./toasts";
import { ACTIONS_DONE, clipText, framesOf, nameOf, PAST, type Word } from "./words";

type OnTurn = (kind: "undo" | "redo", of: string, outcome: Promise<Outcome<Turned>>) => void;

const HOLD = 12;
const REFILL_BELOW = 8;
const FEW = 3;
const RETRY_MS = 3000;
const COUNT_MS = 3000;
const KEPT_PAST = 8;
/** What changes how many clips wait. */
const COUNTS = /^(segment\.scenes_detected|video\.(cuts_changed|erased)|decision\.|clip\.(approved|skipped|archived|grouped))/;

class Desk {
  /** The clips that wait here, the shown one first. */
  readonly clips = signal<readonly Clip[]>([]);
  /** The last ones that were decided here, the newest first. */
  readonly past = signal<readonly { clip: Clip; word: Word }[]>([]);
  readonly lines = new Lines();
  readonly rate = new Rate();
  readonly left = signal(0);
  readonly state = signal<"loading" | "ready" | "failed">("loading");
  readonly problem = signal("");
  readonly flash = signal<Word | null>(null);
  readonly video = signal<string | null>(null);
  readonly current = computed(() => this.clips.value[0] ?? null);
  readonly #steps = new Steps();
  readonly #leases = new Leases(
    () => this.clips.value,
    (clips) => this.#lost(clips),
  );
  /** Clips whose verdict is not confirmed yet: the server may still hand them out. */
  readonly #decided = new Map<string, number>();
  /** Those of them that were confirmed while clips were on their way here, asked for before. */
  readonly #confirmed = new Map<string, number>();
  #marks = 0;
  #loading = false;
  /** Clips that were asked for in another round, for another video or in another order, are not wanted any more. */
  #round = 0;
  /** Clips, and videos, that changed while clips were on their way here. */
  readonly #changed = new Set<string>();
  #lastVerdict: Verdict | null = null;
  #again: ReturnType<typeof setTimeout> | null = null;
  #counting: ReturnType<typeof setTimeout> | null = null;
  #started = false;
  readonly #looks = new Looks((now) => this.#see(now));
  readonly #onTurn = new Set<OnTurn>();
  readonly #cutting = new Cutting(outbox.trouble, (keys) =>
    say("refused", keys === 1 ? "The key that you pressed after the cut judged nothing." : `The ${keys} keys that you pressed after the cut judged nothing.`),
  );

  /** Review one video, or all; the first time this begins to take clips, and keeps what is held. */
  start(video: string | null): void {
    if (this.#started) return this.choose(video);
    this.#started = true;
    this.video.value = video;
    void this.fill();
    onChanges((changes) => this.#hear(changes));
    onLive(() => {
      // What happened while nobody listened.
      for (const clip of this.clips.value) this.#looks.doubt(clip.id);
      this.#looks.soon();
      this.#leases.beat();
      this.#countSoon();
      void this.fill();
    });
    this.#leases.start();
  }

  /** Review only one video, or all again. */
  choose(video: string | null): void {
    if (this.video.value === video) return;
    this.video.value = video;
    this.#drop();
  }

  /** Take clips in another order from now on. */
  reorder(): void {
    this.#drop();
  }

  #drop(): void {
    this.#round += 1;
    this.#leases.releaseAll();
    this.clips.value = [];
    this.state.value = "loading";
    void this.fill();
  }

  /** Have here what another page of one's own holds, or one that was closed without a word. */
  async takeMine(): Promise<void> {
    await this.#leases.releaseEverywhere();
    await this.fill();
  }

  /** Take more clips, if few are left here. */
  async fill(): Promise<void> {
    if (this.#loading || !this.#started) return;
    if (this.clips.value.length >= REFILL_BELOW) return;
    this.#loading = true;
    const round = this.#round;
    const video = this.video.value;
    let more = false;
    try {
      const handed = await this.#leases.take(settings.value.order, HOLD - this.clips.value.length, video);
      const late = round !== this.#round;
      // A page that was left before its answer came may have asked for all videos: what it was given is not for this one.
      const strange = handed.items.filter((clip) => late || (video !== null && clip.video_id !== video));
      this.#leases.release(strange.map((clip) => clip.id));
      if (late) return;
      more = strange.length > 0;
      const known = new Set(this.clips.value.map((clip) => clip.id));
      const mine = handed.items.filter((clip) => !strange.includes(clip) && !this.#decided.has(clip.id));
      const fresh = mine.filter((clip) => !known.has(clip.id));
      this.#leases.hold(mine);
      this.clips.value = [...this.clips.value, ...fresh];
      for (const clip of fresh) if (this.#changed.has(clip.id) || this.#changed.has(clip.video_id)) this.#looks.doubt(clip.id);
      this.#looks.soon();
      this.#count(handed.left);
      this.state.value = "ready";
      this.problem.value = "";
    } catch (error) {
      this.problem.value = error instanceof Error ? error.message : String(error);
      if (!this.clips.value.length) this.state.value = "failed";
      if (!(error instanceof SignedOut)) this.#soon();
    } finally {
      this.#loading = false;
      this.#changed.clear();
      for (const [id, mark] of this.#confirmed) if (this.#decided.get(id) === mark) this.#decided.delete(id);
      this.#confirmed.clear();
      if (more || round !== this.#round) void this.fill();
    }
    // Others hold what is left, or it is being made: look again in a while.
    if (!this.clips.value.length && this.left.value > 0) this.#soon();
  }

  #soon(): void {
    this.#again ??= setTimeout(() => {
      this.#again = null;
      void this.fill();
    }, RETRY_MS);
  }

  /** So many wait, as the server says: what is decided here and not confirmed yet waits no more. */
  #count(left: number): void {
    this.left.value = Math.max(left - outbox.count.value, this.clips.value.length);
  }

  /** Ask how many wait, once for all that happens within some seconds. */
  #countSoon(): void {
    this.#counting ??= setTimeout(() => {
      this.#counting = null;
      whenQuiet(() => void this.#countAgain());
    }, COUNT_MS);
  }

  async #countAgain(): Promise<void> {
    const round = this.#round;
    const { told } = outbox;
    let left: number;
    try {
      ({ left } = await get<Queue>("/api/queue", { limit: 1, video: this.video.value }));
    } catch {
      return; // It is asked for again with the next change.
    }
    if (round !== this.#round) return;
    if (told === outbox.told) this.#count(left);
    else this.#countSoon();
  }

  /** Give a verdict on the clip that is shown; the next is shown already. */
  decide(verdict: Verdict): void {
    const clip = this.current.value;
    if (!clip) return this.#nothing();
    this.#lastVerdict = verdict;
    const mark = this.#leave([clip], verdict);
    this.left.value = Math.max(0, this.left.value - 1);
    this.rate.add();
    const line = this.lines.add(verdict, clip);
    const { key, outcome } = tell<VerdictGiven>(
      `/api/clips/${clip.id}/verdict`,
      { verdict, seen: clip.state },
      `${PAST[verdict]} ${clipText(clip)}`,
      { video: clip.video_id },
    );
    this.#steps.remember({ key, word: verdict, clips: [clip] });
    void outcome.then((said) => {
      this.#settled(line, said, () => this.#forget(key, clip));
      this.#known(mark, [clip]);
      void this.fill();
    });
    this.#fillIfShort();
  }

  /** A key was pressed before there is anything to judge: it judges nothing, and says so. */
  #nothing(): void {
    say("refused", this.state.value === "loading" ? "The first clip is still on its way: that key judged nothing." : "No clip is here to be judged.");
  }

  /** The last verdict again. */
  repeat(): void {
    if (this.#lastVerdict) this.decide(this.#lastVerdict);
    else say("refused", "There is no last verdict yet: give one with A, S or X.");
  }

  /** Approve the clip that is shown and the one beside it, as one group. */
  group(beside: "next" | "previous"): void {
    const clip = this.current.value;
    if (!clip) return this.#nothing();
    const other = this.clips.value.filter(
      (one) => one.video_id === clip.video_id && (beside === "next" ? one.start === clip.end : one.end === clip.start),
    );
    const gone = [clip, ...other];
    const mark = this.#leave(gone, "group");
    this.left.value = Math.max(0, this.left.value - gone.length);
    this.rate.add();
    const line = this.lines.add("group", clip);
    const { key, outcome } = tell<Grouped>(
      `/api/clips/${clip.id}/group`,
      { beside },
      `grouped ${clipText(clip)}`,
      { video: clip.video_id },
    );
    this.#steps.remember({ key, word: "group", clips: gone });
    void outcome.then((said) => {
      if (said.kind === "done") this.gone(said.answer.clips);
      this.#settled(line, said, () => this.#forget(key, ...gone));
      this.#known(mark, gone);
      void this.fill();
    });
    this.#fillIfShort();
  }

  /** More is taken once a verdict is confirmed, so that it need not wait for that; unless there is nothing left to show. */
  #fillIfShort(): void {
    if (this.clips.value.length < FEW) void this.fill();
  }

  /** Change a cut of the shown clip's video; what lies there then is reviewed next. Returns whether it was done. */
  async cut(wish: CutWish): Promise<boolean> {
    const clip = this.current.value;
    if (!clip) return false;
    this.flash.value = "cut";
    const line = this.lines.add("cut", clip, `${wish.operation === "add" ? "added at" : wish.operation === "move" ? `${wish.frame} to` : wish.operation} ${wish.to ?? wish.frame}`);
    const { key, outcome } = tell<CutsChanged>(`/api/videos/${clip.video_id}/cuts`, { ...wish }, `cut at frame ${wish.frame} of ${nameOf(clip)}`, { video: clip.video_id });
    // At once: an undo that is pressed before the answer means this, and not what was decided before.
    this.#steps.remember({ key, word: "cut", clips: [] });
    let aside = false;
    // A confirmation changes no clip: nothing need wait for it.
    const settled =
      wish.operation === "confirm"
        ? () => {}
        : this.#cutting.begin(() => {
            aside = true;
            this.#setAside(clip);
          });
    const said = await outcome;
    this.#settled(line, said, () => {
      this.#forget(key);
      if (!this.clips.value.some((one) => one.id === clip.id)) this.put([clip], aside);
    });
    if (said.kind === "done") this.put(said.answer.clips, aside);
    settled(said.kind === "done");
    return said.kind === "done";
  }

  /** Do something with what lies here once the cuts of it that are on their way are settled: a key that follows one means what comes of it. */
  afterCut(run: () => void): void {
    this.#cutting.after(run);
  }

  /** Nobody can say yet what becomes of a clip: the others are judged meanwhile. */
  #setAside(clip: Clip): void {
    if (!this.clips.value.some((one) => one.id === clip.id)) return;
    this.clips.value = this.clips.value.filter((one) => one.id !== clip.id);
    say("refused", "The cut waits for the connection, and its clip with it: go on with the next.");
    this.#fillIfShort();
  }

  /** What may be done with a clip just now. */
  actions(clip: Clip): Promise<Actions> {
    return get<Actions>(`/api/clips/${clip.id}/actions`);
  }

  /** Write tags and a note to a clip. Returns the clip as it then is; null if that was refused. */
  async annotate(clip: Clip, tags: string[], note: string): Promise<Clip | null> {
    const line = this.lines.add("note", clip);
    const noted = { ...clip, tags, note };
    // What was written since stays as it is shown: its own answer follows.
    const replace = (by: Clip): void => {
      this.clips.value = this.clips.value.map((one) => (one === noted ? by : one));
    };
    this.clips.value = this.clips.value.map((one) => (one.id === clip.id ? noted : one));
    const { key, outcome } = tell<VerdictGiven>(
      `/api/clips/${clip.id}/annotation`,
      { tags, note },
      `note on ${clipText(clip)}`,
      { video: clip.video_id },
    );
    this.#steps.remember({ key, word: "note", clips: [] });
    const said = await outcome;
    this.#settled(line, said, () => replace(clip));
    if (said.kind !== "done") return null;
    replace(said.answer.clip);
    return said.answer.clip;
  }

  /** Something was decided on another page: it is the next to be taken back. */
  decidedElsewhere(key: string, word: Word): void {
    this.#steps.remember({ key, word, clips: [] });
  }

  /** What was decided on another page was refused: it is no step to take back. */
  refusedElsewhere(key: string): void {
    this.#steps.forget(key);
  }

  /** Be told when a decision is taken back or made again, by the key under which it was told; returns how to be told no more. */
  onTurn(listener: OnTurn): () => void {
    this.#onTurn.add(listener);
    return () => this.#onTurn.delete(listener);
  }

  /** Take back one's last decision. What it was about is shown again at once. */
  undo(): void {
    const step = this.#steps.undo();
    if (step) {
      if (step.word !== "cut" && step.word !== "note") this.rate.takeBack();
      if (step.clips.length) this.put(step.clips);
    }
    this.#turn("undo", step, 0);
  }

  /** Make the decision again that was taken back last. */
  redo(): void {
    const step = this.#steps.redo();
    const mark = step?.clips.length ? this.#leave(step.clips, step.word) : 0;
    this.#turn("redo", step, mark);
  }

  #turn(kind: "undo" | "redo", step: Step | undefined, mark: number): void {
    const line = this.lines.add(kind, step?.clips[0] ?? null);
    this.flash.value = kind;
    const { outcome } = tell<Turned>(`/api/${kind}`, {}, kind, { of: step?.key });
    if (step) for (const listener of this.#onTurn) listener(kind, step.key, outcome);
    void outcome.then((said) => {
      if (step) this.#known(mark, step.clips);
      this.#settled(line, said, () => {
        if (!step) return;
        // It is as it was before the key: what was shown too early leaves again.
        this.#steps.notTurned(kind, step);
        if (kind === "redo") this.put(step.clips);
        else if (step.clips.length) this.#known(this.#leave(step.clips, step.word), step.clips);
      });
      if (said.kind !== "done") return;
      const { action, spans, clips } = said.answer;
      const what = spans.map((span) => framesOf(span.start, span.end)).slice(0, 3).join(", ");
      this.lines.edit(line, { what: `${ACTIONS_DONE[action] ?? action} · ${what}` });
      // What was decided again since the key was pressed stays decided.
      if (kind === "undo" || !step) this.put(clips.filter((clip) => !this.#decided.has(clip.id)));
      else {
        this.gone(clips);
        if (step.word === "cut") this.put(clips);
      }
      void this.fill();
    });
  }

  /** Clips as they are now: those that wait come first (`behind` the one that is shown, if nobody waits for them), those that do not leave, and
   * so does whatever lay in their place. */
  put(clips: readonly Clip[], behind = false): void {
    const known = new Set(clips.map((clip) => clip.id));
    const waiting = clips.filter((clip) => clip.state === "pending_review");
    for (const clip of waiting) this.#decided.delete(clip.id);
    if (this.#loading) for (const clip of clips) this.#changed.add(clip.video_id);
    const before = this.clips.value.length;
    const stay = this.clips.value.filter((clip) => !known.has(clip.id) && !clips.some((other) => overlap(clip, other)));
    this.clips.value = behind ? [...stay.slice(0, 1), ...waiting, ...stay.slice(1)] : [...waiting, ...stay];
    this.past.value = this.past.value.filter(({ clip }) => !waiting.some((one) => one.id === clip.id || overlap(one, clip)));
    this.left.value = Math.max(this.left.value + this.clips.value.length - before, this.clips.value.length);
    void this.fill();
  }

  /** Those of these clips that wait no more leave. */
  gone(clips: readonly Clip[]): void {
    const gone = new Set(clips.filter((clip) => clip.state !== "pending_review").map((clip) => clip.id));
    if (this.clips.value.some((clip) => gone.has(clip.id))) this.clips.value = this.clips.value.filter((clip) => !gone.has(clip.id));
  }

  /** What was decided about these clips is known to the server: what it says of them from now on holds. */
  #known(mark: number, clips: readonly Clip[]): void {
    for (const { id } of clips) {
      if (this.#decided.get(id) !== mark) continue; // it was decided again since
      if (this.#loading) this.#confirmed.set(id, mark);
      else this.#decided.delete(id);
    }
  }

  /** These clips are decided; returns the mark by which that decision is known. */
  #leave(clips: readonly Clip[], word: Word): number {
    this.#marks += 1;
    const gone = new Set(clips.map((clip) => clip.id));
    for (const id of gone) {
      this.#decided.set(id, this.#marks);
      this.#leases.end(id);
    }
    batch(() => {
      this.flash.value = word;
      this.past.value = [...clips.map((clip) => ({ clip, word })).reverse(), ...this.past.value].slice(0, KEPT_PAST);
      this.clips.value = this.clips.value.filter((clip) => !gone.has(clip.id));
    });
    return this.#marks;
  }

  /** A decision was refused: what it was about is no step to take back. */
  #forget(key: string, ...clips: Clip[]): void {
    this.#steps.forget(key);
    this.past.value = this.past.value.filter(({ clip }) => !clips.some((one) => one.id === clip.id));
    // Whoever decided meanwhile was told about in the answer; a clip that waits all the same comes back through the queue.
    for (const clip of clips) this.#decided.delete(clip.id);
    void this.fill();
  }

  #settled(line: number, said: Outcome<unknown>, onRefused: () => void): void {
    if (said.kind === "done") {
      this.lines.edit(line, { state: "saved" });
      return;
    }
    this.lines.edit(line, { state: "refused", why: named(said.problem.message) });
    say("refused", said.problem.message);
    onRefused();
  }

  #hear(changes: readonly Change[]): void {
    const mine = this.clips.value;
    const ids = new Set(mine.map((clip) => clip.id));
    const videos = new Set(mine.map((clip) => clip.video_id));
    let more = false;
    if (changes.some((change) => COUNTS.test(change.type) && (this.video.value ?? change.video_id) === change.video_id)) this.#countSoon();
    for (const change of changes) {
      if (this.#loading && change.clip_id) this.#changed.add(change.clip_id);
      if (change.clip_id && ids.has(change.clip_id) && change.type.startsWith("clip.")) this.#looks.doubt(change.clip_id);
      if (/^(video\.cuts_changed|decision\.|clip\.grouped|segment\.scenes_detected)/.test(change.type)) {
        more = true;
        if (this.#loading) this.#changed.add(change.video_id);
        if (videos.has(change.video_id)) for (const clip of mine) if (clip.video_id === change.video_id) this.#looks.doubt(clip.id);
      }
    }
    this.#looks.soon();
    if (more || this.clips.value.length < REFILL_BELOW) void this.fill();
  }

  /** These lapsed while this page gave no sign of life, and were handed to somebody else. */
  #lost(ids: readonly string[]): void {
    const lost = new Set(ids);
    const shown = this.current.value;
    this.clips.value = this.clips.value.filter((clip) => !lost.has(clip.id));
    if (shown && lost.has(shown.id)) say("refused", `${clipText(shown)} was handed to somebody else while this page was away.`);
    void this.fill();
  }

  /** What became of clips that wait here: somebody else may have decided. */
  #see(now: readonly Clip[]): void {
    const shown = this.current.value;
    const gone = now.filter((clip) => clip.state !== "pending_review");
    const fresh = new Map(now.map((clip) => [clip.id, clip]));
    this.clips.value = this.clips.value
      .map((clip) => fresh.get(clip.id) ?? clip)
      .filter((clip) => !gone.some((one) => one.id === clip.id));
    const lost = gone.find((clip) => clip.id === shown?.id && !this.#decided.has(clip.id));
    if (lost?.verdict && lost.decided_by !== me.value?.id) {
      say("refused", `${clipText(lost)} was ${PAST[lost.verdict]} by ${lost.decided_by ? personOf(lost.decided_by) : "somebody"} just now.`);
    }
    void this.fill();
  }
}

/** Whether two clips share frames: one then stands where the other was. */
function overlap(a: Clip, b: Clip): boolean {
  return a.video_id === b.video_id && a.id !== b.id && a.start < b.end && b.start < a.end;
}

export const desk = new Desk();
