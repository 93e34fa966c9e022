// The review page: one key is one verdict. The next clip is shown at once; the verdict is confirmed behind, and sent again
// under the same key until the server has answered.

import * as api from "./api.js";
import { Player } from "./player.js";
import { lengthOf, short, spanOf } from "./time.js";

const AHEAD = 3;
const FETCH = 30;
const WORDS = { approve: "approved", skip: "skipped", archive: "archived", group: "grouped", cut: "cut", undo: "undone", redo: "redone" };
const ACTIONS = {
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
const DOUBT = 0.6;
const AGAIN_MS = 2000;
const KEPT = 8;

const $ = (id) => document.getElementById(id);
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export class Review {
  #clips = [];
  #decided = new Set();
  #left = 0;
  #unsent = 0;
  #player;
  #loading = false;
  #onUnsent;
  #broken = new Set();
  #telling = new Set();
  #back = new Set();

  constructor(onUnsent) {
    this.#onUnsent = onUnsent;
    this.#player = new Player($("screen"), (clip) => this.#cannotPlay(clip));
    for (const button of document.querySelectorAll("[data-verdict]")) {
      button.addEventListener("click", () => this.decide(button.dataset.verdict));
    }
    for (const button of document.querySelectorAll("[data-act]")) {
      button.addEventListener("click", () => void this[button.dataset.act]());
    }
    $("pause").addEventListener("click", () => this.togglePause());
    $("seek").addEventListener("input", () => this.#seek());
    requestAnimationFrame(() => this.#tick());
  }

  get current() {
    return this.#clips[0] ?? null;
  }

  /** Ask for what waits; what was just decided here does not come back. */
  async refresh() {
    if (this.#loading) return;
    this.#loading = true;
    try {
      const { items, left } = await api.queue(FETCH);
      const fresh = items.filter((clip) => !this.#decided.has(clip.id));
      const known = new Set(fresh.map((clip) => clip.id));
      // The clip that is shown stays while it waits for a verdict; what was brought back stays too, wherever it is in the queue.
      const stay = this.#clips.filter((clip, n) => (n === 0 && known.has(clip.id)) || (this.#back.has(clip.id) && !this.#decided.has(clip.id)));
      const staying = new Set(stay.map((clip) => clip.id));
      this.#clips = [...stay, ...fresh.filter((clip) => !staying.has(clip.id))];
      this.#left = Math.max(left - (items.length - fresh.length), this.#clips.length);
      this.#show();
    } catch (error) {
      if (!this.current) this.#say("The review desk does not answer.", error.message, () => this.refresh());
    } finally {
      this.#loading = false;
    }
  }

  /** Give a verdict on the clip that is shown, and show the next. */
  decide(verdict) {
    const clip = this.current;
    if (!clip) return;
    this.#decided.add(clip.id);
    this.#clips.shift();
    this.#left = Math.max(0, this.#left - 1);
    this.#flash(verdict);
    this.#show();
    const line = this.#note(clip, verdict);
    void this.#tell((key) => api.giveVerdict(clip.id, verdict, key, clip.state), line);
    if (this.#clips.length < AHEAD + 2) void this.refresh();
  }

  /** Approve the clip that is shown and the one after it, as one group. */
  async group() {
    const clip = this.current;
    if (!clip) return;
    const gone = this.#clips.filter((one) => one.id === clip.id || (one.video_id === clip.video_id && one.start === clip.end));
    for (const one of gone) this.#decided.add(one.id);
    this.#clips = this.#clips.filter((one) => !gone.includes(one));
    this.#left = Math.max(0, this.#left - gone.length);
    this.#flash("group");
    this.#show();
    const done = await this.#tell((key) => api.groupWithNext(clip.id, key), this.#note(clip, "group"));
    if (!done) for (const one of gone) this.#decided.delete(one.id);
    void this.refresh();
  }

  /** Divide the clip that is shown at the frame that is shown: its first half is reviewed next. */
  async addCut() {
    const video = this.#player.current;
    const clip = this.current;
    if (!video || !clip || !video.duration) return;
    video.pause();
    const frame = clip.start + this.#frameNow(video, clip);
    const line = this.#note({ ...clip, start: frame, end: frame + 1 }, "cut");
    const done = await this.#tell((key) => api.addCut(clip.video_id, frame, clip.version, key), line);
    if (done) this.#put(done.clips, clip.id);
    else video.play().catch(() => {});
  }

  /** Take back one's last decision; what it was about is shown again. */
  undo() {
    return this.#turn("undo", api.undo);
  }

  /** Make the decision again that was taken back last. */
  redo() {
    return this.#turn("redo", api.redo);
  }

  async #turn(kind, ask) {
    // What is still being told is a decision too: the last one is known once it is there.
    await Promise.allSettled([...this.#telling]);
    const line = this.#note(null, kind);
    const done = await this.#tell(ask, line);
    if (!done) return;
    line.children[1].textContent = `${ACTIONS[done.action]} · ${done.spans.map((span) => `${span.start}–${span.end - 1}`).slice(0, 3).join(", ")}`;
    for (const clip of done.clips) this.#decided.delete(clip.id);
    this.#put(done.clips, null);
  }

  /** Clips as they are now: those that wait come first, those that do not leave, and so does the one that they stand for. */
  #put(clips, instead) {
    const known = new Set([...clips.map((clip) => clip.id), instead]);
    const waiting = clips.filter((clip) => clip.state === "pending_review");
    this.#back = new Set(waiting.map((clip) => clip.id));
    const before = this.#clips.length;
    this.#clips = [...waiting, ...this.#clips.filter((clip) => !known.has(clip.id) && !covered(clip, clips))];
    this.#left = Math.max(this.#left + this.#clips.length - before, this.#clips.length);
    this.#show();
    void this.refresh();
  }

  togglePause() {
    const video = this.#player.current;
    if (!video) return;
    if (video.paused) video.play().catch(() => {});
    else video.pause();
  }

  /** Go by whole frames while stopped: to the middle of a frame, which is never the edge of two. */
  step(frames) {
    const video = this.#player.current;
    const clip = this.current;
    if (!video || !clip || !video.duration) return;
    video.pause();
    const frame = Math.min(clip.frames - 1, Math.max(0, this.#frameNow(video, clip) + frames));
    video.currentTime = ((frame + 0.5) * video.duration) / clip.frames;
  }

  /** Tell the server until it has answered, always under the same key; what it answers, or null if it refuses. */
  #tell(ask, line) {
    const telling = this.#untilAnswered(ask, api.newKey(), line);
    this.#telling.add(telling);
    return telling.finally(() => this.#telling.delete(telling));
  }

  async #untilAnswered(ask, key, line) {
    this.#count(1);
    try {
      for (;;) {
        try {
          const answer = await ask(key);
          line.classList.remove("waiting");
          line.lastElementChild.textContent = "";
          return answer;
        } catch (error) {
          if (error instanceof api.Refused) {
            this.#refused(line, error.message);
            return null;
          }
          line.lastElementChild.textContent = "waits";
          await wait(AGAIN_MS);
        }
      }
    } finally {
      this.#count(-1);
    }
  }

  #count(change) {
    this.#unsent += change;
    this.#onUnsent(this.#unsent);
  }

  #refused(line, reason) {
    line.classList.remove("waiting");
    line.classList.add("refused");
    line.firstElementChild.textContent = "refused";
    line.lastElementChild.textContent = "";
    const why = document.createElement("span");
    why.className = "why";
    why.textContent = reason;
    line.append(why);
    const toast = $("toast");
    toast.textContent = reason;
    toast.hidden = false;
    setTimeout(() => (toast.hidden = true), 6000);
  }

  #note(clip, verdict) {
    const line = document.createElement("li");
    line.className = `waiting ${verdict}`;
    if (clip) line.dataset.clip = clip.id;
    const frames = clip && (clip.end - clip.start > 1 ? `${clip.start}–${clip.end - 1}` : String(clip.start));
    for (const [kind, text] of [["word", WORDS[verdict]], ["what", clip ? `${nameOf(clip)} · ${frames}` : ""], ["quiet", "…"]]) {
      const part = document.createElement("span");
      part.className = kind;
      part.textContent = text;
      line.append(part);
    }
    $("last").prepend(line);
    $("last-empty").hidden = true;
    while ($("last").children.length > KEPT) $("last").lastElementChild.remove();
    return line;
  }

  #flash(verdict) {
    const screen = $("screen");
    screen.dataset.flash = verdict;
    setTimeout(() => delete screen.dataset.flash, 120);
  }

  #show() {
    const clip = this.current;
    $("left").textContent = this.#left ? `${this.#left} left` : "";
    for (const button of document.querySelectorAll(".verdict")) button.disabled = !clip && !button.classList.contains("undo");
    $("facts").hidden = $("scrub").hidden = !clip;
    this.#listNext();
    if (!clip) {
      this.#player.clear();
      document.title = "Review · Heaters";
      this.#say("Nothing waits for a verdict.", "Clips appear here by themselves as their segments are finished. Add a video on the Pipeline page.");
      return;
    }
    $("notice").hidden = true;
    this.#player.show(clip.id);
    this.#player.prepare(this.#clips.slice(0, 1 + AHEAD).map((next) => next.id));
    if (this.#broken.has(clip.id)) this.#cannotPlay(clip.id);
    document.title = `${this.#left} left · Heaters`;
    $("title").textContent = nameOf(clip);
    $("span").textContent = spanOf(clip);
    const length = lengthOf(clip);
    $("length").textContent = length === null ? "–" : `${(length / 1000).toFixed(3)} s`;
    $("whole").textContent = length === null ? "" : short(length);
    $("frames").textContent = `${clip.frames} (${clip.start}–${clip.end - 1})`;
    confidence($("cut-in"), clip.confidence_in, "start of video");
    confidence($("cut-out"), clip.confidence_out, "end of video");
  }

  #listNext() {
    const lines = this.#clips.slice(1, 6).map((clip) => {
      const line = document.createElement("li");
      const length = lengthOf(clip);
      for (const text of [String(clip.start), nameOf(clip), length === null ? `${clip.frames} fr` : short(length)]) {
        const part = document.createElement("span");
        part.className = text === nameOf(clip) ? "" : "time quiet";
        part.textContent = text;
        line.append(part);
      }
      return line;
    });
    $("next").replaceChildren(...lines);
    $("next-empty").hidden = lines.length > 0;
    $("next-card").hidden = !this.current;
  }

  #cannotPlay(clip) {
    this.#broken.add(clip);
    if (this.current?.id !== clip) return;
    this.#say("This clip does not play.", "Its bytes could not be read, or this browser does not know their format. A verdict can still be given.");
  }

  #say(what, why, again) {
    const notice = $("notice");
    const parts = [what, why].map((text, n) => {
      const line = document.createElement(n ? "p" : "h1");
      if (n) line.className = "quiet";
      line.textContent = text;
      return line;
    });
    if (again) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "act";
      button.textContent = "Try again";
      button.addEventListener("click", again);
      parts.push(button);
    }
    notice.replaceChildren(...parts);
    notice.hidden = false;
  }

  #frameNow(video, clip) {
    // Only for show and for stepping: positions that matter are frame indices of the server.
    return Math.min(clip.frames - 1, Math.floor((video.currentTime / video.duration) * clip.frames + 1e-6));
  }

  #seek() {
    const video = this.#player.current;
    const clip = this.current;
    if (!video || !clip || !video.duration) return;
    const frame = Math.min(clip.frames - 1, Math.floor((Number($("seek").value) / 1000) * clip.frames));
    video.currentTime = ((frame + 0.5) * video.duration) / clip.frames;
  }

  #tick() {
    const video = this.#player.current;
    const clip = this.current;
    if (video && clip && video.duration) {
      $("now").textContent = short(Math.round(video.currentTime * 1000));
      const frame = this.#frameNow(video, clip);
      $("frame").textContent = `frame ${clip.start + frame}`;
      if (document.activeElement !== $("seek") || !video.paused) {
        $("seek").value = String(Math.round((video.currentTime / video.duration) * 1000));
      }
      const word = video.paused ? "Play" : "Pause";
      if ($("pause").textContent !== word) $("pause").textContent = word;
    }
    requestAnimationFrame(() => this.#tick());
  }
}

/** Whether a clip lies where other clips are now: its cuts have changed. */
function covered(clip, by) {
  return by.some((other) => other.video_id === clip.video_id && other.start < clip.end && clip.start < other.end);
}

function nameOf(clip) {
  return clip.title || `video ${clip.video_id.slice(0, 8)}`;
}

function confidence(element, value, none) {
  element.classList.toggle("doubt", value !== null && value < DOUBT);
  element.textContent = value === null ? none : `${value.toFixed(2)}${value < DOUBT ? " ?" : ""}`;
}
