// What is reviewed: the clips that this reviewer holds, what was decided, and how it is taken back. A verdict shows at once and is
// confirmed behind; what the server answers then settles what is shown.

import { batch, computed, signal } from "@preact/signals";
import { get, newKey, send, SignedOut } from "../api/client";
import type { Outcome } from "../api/outbox";
import type { Actions, Change, Clip, ClipIds, CutsChanged, Grouped, Handed, Turned, Verdict, VerdictGiven } from "../api/types";
import { onChanges, onLive } from "./live";
import { me, settings } from "./me";
import { named, personOf } from "./people";
import { outbox, tell } from "./sending";
import { say } from "./toasts";

export type Word = Verdict | "group" | "cut" | "undo" | "redo" | "note";

/** A line of what was decided last. */
export interface Line {
  id: number;
  word: Word;
  what: string;
  clip: Clip | null;
  state: "waiting" | "saved" | "refused";
  why: string;
}

/** A decision that can be taken back: what it was about, and under which key it was told. */
interface Step {
  key: string;
  word: Word;
  clips: readonly Clip[];
  at: number;
}

export const HOLD = 12;
const REFILL_BELOW = 8;
const FEW = 3;
const KEPT_LINES = 8;
const RATE_OVER_MS = 120_000;
const RETRY_MS = 3000;
const TAKING = "heaters.taking";

export const PAST: Record<Word, string> = {
  approve: "approved",
  skip: "skipped",
  archive: "archived",
  group: "grouped",
  cut: "cut",
  undo: "undone",
  redo: "redone",
  note: "noted",
};
const ACTION_WORDS: Record<string, string> = {
  approve: "approved",
  skip: "skipped",
  archive: "archived",
  group: "grouped",
  ungroup: "ungrouped",
  annotate: "note",
  add_cut: "cut added",
  remove_cut: "cut removed",
  move_cut: "cut moved",
  confirm_cut: "cut confirmed",
};

export const nameOf = (clip: { title: string | null; video_id: string }): string => clip.title || `video ${clip.video_id.slice(0, 8)}`;
const framesOf = (start: number, end: number): string => (end - start > 1 ? `${start}–${end - 1}` : String(start));

class Desk {
  /** The clips that wait here, the shown one first. */
  readonly clips = signal<readonly Clip[]>([]);
  /** The last ones that were decided here, the newest first. */
  readonly past = signal<readonly { clip: Clip; word: Word }[]>([]);
  readonly lines = signal<readonly Line[]>([]);
  readonly left = signal(0);
  readonly state = signal<"loading" | "ready" | "failed">("loading");
  readonly problem = signal("");
  readonly flash = signal<Word | null>(null);
  readonly video = signal<string | null>(null);
  readonly current = computed(() => this.clips.value[0] ?? null);
  readonly done: number[] = [];
  readonly doneCount = signal(0);
  #steps: Step[] = [];
  #undone: Step[] = [];
  #decided = new Set<string>();
  #held = new Set<string>();
  #loading = false;
  #lastVerdict: Verdict | null = null;
  #lineId = 0;
  #leaseS = 90;
  #again: ReturnType<typeof setTimeout> | null = null;
  #started = false;
  readonly #stale = new Set<string>();

  /** Begin: take the first clips, and keep what is held. */
  start(): void {
    if (this.#started) return;
    this.#started = true;
    void this.fill();
    onChanges((changes) => this.#hear(changes));
    onLive(() => void this.fill());
    outbox.count.subscribe((count) => {
      if (count === 0 && this.#stale.size) void this.#look();
    });
    const beat = (): void => {
      if (this.#held.size) send("POST", "/api/queue/heartbeat", {}, newKey()).catch(() => {});
      setTimeout(beat, (this.#leaseS * 1000) / 3);
    };
    setTimeout(beat, 10_000);
    // A beacon is sent even by a page that is being closed.
    addEventListener("pagehide", () => this.#held.size && navigator.sendBeacon("/api/queue/leave", [...this.#held].join(" ")));
  }

  /** Review only one video, or all again. */
  choose(video: string | null): void {
    if (this.video.value === video && this.#started) return;
    this.video.value = video;
    this.#drop();
  }

  /** Take clips in another order from now on. */
  reorder(): void {
    this.#drop();
  }

  #drop(): void {
    this.#release([...this.#held]);
    this.clips.value = [];
    this.state.value = "loading";
    void this.fill();
  }

  /** Have here what another page of one's own holds, or one that was closed without a word. */
  async takeMine(): Promise<void> {
    await send("POST", "/api/queue/release", { clips: null }, newKey()).catch(() => {});
    await this.fill();
  }

  #release(clips: readonly string[]): void {
    if (!clips.length) return;
    for (const clip of clips) this.#held.delete(clip);
    send("POST", "/api/queue/release", { clips }, newKey(), { keepalive: true }).catch(() => {});
  }

  /** Take more clips, if few are left here. */
  async fill(): Promise<void> {
    if (this.#loading || !this.#started) return;
    if (this.clips.value.length >= REFILL_BELOW) return;
    this.#loading = true;
    const video = this.video.value;
    let more = false;
    try {
      const handed = await send<Handed>(
        "POST",
        "/api/queue/next",
        { order: settings.value.order, limit: HOLD - this.clips.value.length, video },
        takeKey(),
      );
      taken();
      if (video !== this.video.value) {
        this.#release(handed.items.map((clip) => clip.id));
        more = true;
        return;
      }
      this.#leaseS = handed.lease_s;
      // A page that was left before its answer came may have asked for all videos: what it was given is not for this one.
      const strange = handed.items.filter((clip) => video !== null && clip.video_id !== video);
      if (strange.length) {
        this.#release(strange.map((clip) => clip.id));
        more = true;
      }
      const known = new Set(this.clips.value.map((clip) => clip.id));
      const fresh = handed.items.filter((clip) => !strange.includes(clip) && !known.has(clip.id) && !this.#decided.has(clip.id));
      for (const clip of handed.items) if (!strange.includes(clip)) this.#held.add(clip.id);
      this.clips.value = [...this.clips.value, ...fresh];
      const left = video !== null && !this.clips.value.length ? await pendingOf(video) : handed.left;
      this.left.value = Math.max(left - outbox.count.value, this.clips.value.length);
      this.state.value = "ready";
      this.problem.value = "";
    } catch (error) {
      this.problem.value = error instanceof Error ? error.message : String(error);
      if (!this.clips.value.length) this.state.value = "failed";
      if (!(error instanceof SignedOut)) this.#soon();
    } finally {
      this.#loading = false;
      if (more) void this.fill();
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

  /** Give a verdict on the clip that is shown; the next is shown already. */
  decide(verdict: Verdict): void {
    const clip = this.current.value;
    if (!clip) return this.#nothing();
    this.#lastVerdict = verdict;
    this.#leave([clip], verdict);
    this.left.value = Math.max(0, this.left.value - 1);
    this.#count();
    const line = this.#line(verdict, clip);
    const { key, outcome } = tell<VerdictGiven>(
      `/api/clips/${clip.id}/verdict`,
      { verdict, seen: clip.state },
      `${PAST[verdict]} ${nameOf(clip)} ${framesOf(clip.start, clip.end)}`,
      { video: clip.video_id },
    );
    this.#remember({ key, word: verdict, clips: [clip], at: Date.now() });
    void outcome.then((said) => {
      this.#settled(line, said, () => this.#forget(key, clip));
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
    this.#leave(gone, "group");
    this.left.value = Math.max(0, this.left.value - gone.length);
    this.#count();
    const line = this.#line("group", clip);
    const { key, outcome } = tell<Grouped>(
      `/api/clips/${clip.id}/group`,
      { beside },
      `grouped ${nameOf(clip)} ${framesOf(clip.start, clip.end)}`,
      { video: clip.video_id },
    );
    this.#remember({ key, word: "group", clips: gone, at: Date.now() });
    void outcome.then((said) => {
      if (said.kind === "done") this.#drop_decided(said.answer.clips);
      this.#settled(line, said, () => this.#forget(key, ...gone));
      void this.fill();
    });
    this.#fillIfShort();
  }

  /** More is taken once a verdict is confirmed, so that it need not wait for that; unless there is nothing left to show. */
  #fillIfShort(): void {
    if (this.clips.value.length < FEW) void this.fill();
  }

  /** Change a cut of the shown clip's video; what lies there then is reviewed next. */
  async cut(wish: { operation: "add" | "remove" | "move" | "confirm"; frame: number; to?: number }): Promise<boolean> {
    const clip = this.current.value;
    if (!clip) return false;
    const line = this.#line("cut", clip, `${wish.operation === "add" ? "added at" : wish.operation === "move" ? `${wish.frame} to` : wish.operation} ${wish.to ?? wish.frame}`);
    const { key, outcome } = tell<CutsChanged>(`/api/videos/${clip.video_id}/cuts`, wish, `cut at frame ${wish.frame} of ${nameOf(clip)}`, { video: clip.video_id });
    // At once: an undo that is pressed before the answer means this, and not what was decided before.
    this.#remember({ key, word: "cut", clips: [], at: Date.now() });
    const said = await outcome;
    this.#settled(line, said, () => this.#forget(key));
    if (said.kind !== "done") return false;
    this.put(said.answer.clips);
    return true;
  }

  /** What may be done with a clip just now. */
  actions(clip: Clip): Promise<Actions> {
    return get<Actions>(`/api/clips/${clip.id}/actions`);
  }

  /** Write tags and a note to a clip. */
  annotate(clip: Clip, tags: string[], note: string): void {
    const line = this.#line("note", clip);
    this.#replace({ ...clip, tags, note });
    const { key, outcome } = tell<VerdictGiven>(
      `/api/clips/${clip.id}/annotation`,
      { tags, note },
      `note on ${nameOf(clip)} ${framesOf(clip.start, clip.end)}`,
      { video: clip.video_id },
    );
    this.#remember({ key, word: "note", clips: [], at: Date.now() });
    void outcome.then((said) => {
      this.#settled(line, said, () => this.#replace(clip));
      if (said.kind === "done") this.#replace(said.answer.clip);
    });
  }

  /** Something was decided on another page: it is the next to be taken back. */
  decidedElsewhere(key: string, word: Word): void {
    this.#remember({ key, word, clips: [], at: Date.now() });
  }

  /** Take back one's last decision. What it was about is shown again at once. */
  undo(): void {
    const step = this.#steps.at(-1);
    this.#steps = this.#steps.slice(0, -1);
    if (step) {
      this.#undone.push(step);
      this.#uncount(step);
      if (step.clips.length) this.put(step.clips);
    }
    this.#turn("undo", step);
  }

  /** Make the decision again that was taken back last. */
  redo(): void {
    const step = this.#undone.pop();
    if (step) {
      this.#steps.push(step);
      if (step.clips.length) this.#leave(step.clips, step.word);
    }
    this.#turn("redo", step);
  }

  #turn(kind: "undo" | "redo", step: Step | undefined): void {
    const line = this.#line(kind, step?.clips[0] ?? null);
    this.flash.value = kind;
    const { outcome } = tell<Turned>(`/api/${kind}`, {}, kind, { of: step?.key });
    void outcome.then((said) => {
      this.#settled(line, said, () => {
        if (!step) return;
        // It is as it was before the key: what was shown too early leaves again.
        if (kind === "undo") {
          this.#undone = this.#undone.filter((one) => one !== step);
          if (step.clips.length) this.#leave(step.clips, step.word);
        } else {
          this.#steps = this.#steps.filter((one) => one !== step);
          this.put(step.clips);
        }
      });
      if (said.kind !== "done") return;
      const { action, spans, clips } = said.answer;
      const what = spans.map((span) => framesOf(span.start, span.end)).slice(0, 3).join(", ");
      this.#edit(line, { what: `${ACTION_WORDS[action] ?? action} · ${what}` });
      // What was decided again since the key was pressed stays decided.
      if (kind === "undo" || !step) this.put(clips.filter((clip) => !this.#decided.has(clip.id)));
      else {
        this.#drop_decided(clips);
        if (step.word === "cut") this.put(clips);
      }
      void this.fill();
    });
  }

  /** Clips as they are now: those that wait come first, those that do not leave, and so does whatever lay in their place. */
  put(clips: readonly Clip[]): void {
    const known = new Set(clips.map((clip) => clip.id));
    const waiting = clips.filter((clip) => clip.state === "pending_review");
    for (const clip of waiting) this.#decided.delete(clip.id);
    const before = this.clips.value.length;
    const stay = this.clips.value.filter((clip) => !known.has(clip.id) && !clips.some((other) => overlap(clip, other)));
    // A clip that is shown and still waits stays where it is.
    this.clips.value = [...waiting, ...stay];
    this.past.value = this.past.value.filter(({ clip }) => !waiting.some((one) => overlap(one, clip)));
    this.left.value = Math.max(this.left.value + this.clips.value.length - before, this.clips.value.length);
    void this.fill();
  }

  #drop_decided(clips: readonly Clip[]): void {
    const gone = new Set(clips.filter((clip) => clip.state !== "pending_review").map((clip) => clip.id));
    if (this.clips.value.some((clip) => gone.has(clip.id))) this.clips.value = this.clips.value.filter((clip) => !gone.has(clip.id));
  }

  #replace(clip: Clip): void {
    this.clips.value = this.clips.value.map((one) => (one.id === clip.id ? clip : one));
  }

  #leave(clips: readonly Clip[], word: Word): void {
    const gone = new Set(clips.map((clip) => clip.id));
    for (const id of gone) {
      this.#decided.add(id);
      this.#held.delete(id);
    }
    batch(() => {
      this.flash.value = word;
      this.past.value = [...clips.map((clip) => ({ clip, word })).reverse(), ...this.past.value].slice(0, 8);
      this.clips.value = this.clips.value.filter((clip) => !gone.has(clip.id));
    });
  }

  #remember(step: Step): void {
    this.#steps = [...this.#steps.slice(-499), step];
    this.#undone = [];
  }

  /** A decision was refused: what it was about is no step to take back. */
  #forget(key: string, ...clips: Clip[]): void {
    this.#steps = this.#steps.filter((step) => step.key !== key);
    this.past.value = this.past.value.filter(({ clip }) => !clips.some((one) => one.id === clip.id));
    // Whoever decided meanwhile was told about in the answer; a clip that waits all the same comes back through the queue.
    for (const clip of clips) this.#decided.delete(clip.id);
    void this.fill();
  }

  #settled(line: number, said: Outcome<unknown>, onRefused: () => void): void {
    if (said.kind === "done") {
      this.#edit(line, { state: "saved" });
      return;
    }
    this.#edit(line, { state: "refused", why: named(said.problem.message) });
    say("refused", said.problem.message);
    onRefused();
  }

  #line(word: Word, clip: Clip | null, what?: string): number {
    this.#lineId += 1;
    const text = what ?? (clip ? `${nameOf(clip)} · ${framesOf(clip.start, clip.end)}` : "");
    const line: Line = { id: this.#lineId, word, what: text, clip, state: "waiting", why: "" };
    this.lines.value = [line, ...this.lines.value].slice(0, KEPT_LINES);
    return line.id;
  }

  #edit(id: number, change: Partial<Line>): void {
    this.lines.value = this.lines.value.map((line) => (line.id === id ? { ...line, ...change } : line));
  }

  #count(): void {
    this.done.push(Date.now());
    this.doneCount.value += 1;
  }

  #uncount(step: Step): void {
    if (step.word === "cut" || step.word === "note") return;
    this.done.pop();
    this.doneCount.value = Math.max(0, this.doneCount.value - 1);
  }

  /** Verdicts a minute, over the last two minutes. */
  rate(now: number): number | null {
    const recent = this.done.filter((at) => now - at < RATE_OVER_MS);
    const first = recent[0];
    if (recent.length < 3 || first === undefined) return null;
    return Math.round((recent.length * 60_000) / Math.max(5000, now - first));
  }

  #hear(changes: readonly Change[]): void {
    const mine = this.clips.value;
    const ids = new Set(mine.map((clip) => clip.id));
    const videos = new Set(mine.map((clip) => clip.video_id));
    const stale = this.#stale;
    let more = false;
    for (const change of changes) {
      if (change.clip_id && ids.has(change.clip_id) && change.type.startsWith("clip.")) stale.add(change.clip_id);
      if (/^(video\.cuts_changed|decision\.|clip\.grouped|segment\.scenes_detected)/.test(change.type)) {
        more = true;
        if (videos.has(change.video_id)) for (const clip of mine) if (clip.video_id === change.video_id) stale.add(clip.id);
      }
    }
    // While something of ours is on its way, what the server says of it is old: look afterwards.
    if (stale.size && outbox.count.value === 0) void this.#look();
    if (more || this.clips.value.length < REFILL_BELOW) void this.fill();
  }

  /** What became of clips that wait here: somebody else may have decided. */
  async #look(): Promise<void> {
    const ids = [...this.#stale].slice(0, 100);
    this.#stale.clear();
    let now: Clip[];
    try {
      now = (await get<{ items: Clip[] }>("/api/clips/picked", { id: ids })).items;
    } catch {
      return;
    }
    if (outbox.count.value > 0) return;
    const shown = this.current.value;
    const gone = now.filter((clip) => clip.state !== "pending_review");
    const fresh = new Map(now.map((clip) => [clip.id, clip]));
    this.clips.value = this.clips.value
      .map((clip) => fresh.get(clip.id) ?? clip)
      .filter((clip) => !gone.some((one) => one.id === clip.id));
    const lost = gone.find((clip) => clip.id === shown?.id && !this.#decided.has(clip.id));
    if (lost?.verdict && lost.decided_by !== me.value?.id) {
      say("refused", `${nameOf(lost)} ${framesOf(lost.start, lost.end)} was ${PAST[lost.verdict]} by ${lost.decided_by ? personOf(lost.decided_by) : "somebody"} just now.`);
    }
    void this.fill();
  }
}

/** How many clips of one video wait for a verdict, whoever holds them. */
async function pendingOf(video: string): Promise<number> {
  return (await get<ClipIds>("/api/clips/ids", { video, state: "pending_review", limit: 1000 })).ids.length;
}

/** The key of what is being taken: a page that was left before the answer came asks again for the very same clips. */
function takeKey(): string {
  try {
    const key = sessionStorage.getItem(TAKING) ?? newKey();
    sessionStorage.setItem(TAKING, key);
    return key;
  } catch {
    return newKey();
  }
}

function taken(): void {
  try {
    sessionStorage.removeItem(TAKING);
  } catch {
    // Nothing was kept.
  }
}

/** Whether two clips share frames: one then stands where the other was. */
export function overlap(a: Clip, b: Clip): boolean {
  return a.video_id === b.video_id && a.id !== b.id && a.start < b.end && b.start < a.end;
}

export const desk = new Desk();
