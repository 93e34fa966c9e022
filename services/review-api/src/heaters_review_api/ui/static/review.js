// The review page: one key is one verdict. The next clip is shown at once; the verdict is confirmed behind, and sent again
// under the same key until the server has answered.

import * as api from "./api.js";
import { Player } from "./player.js";
import { lengthOf, short, spanOf } from "./time.js";

const AHEAD = 3;
const FETCH = 30;
const WORDS = { approve: "approved", skip: "skipped", archive: "archived" };
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

  constructor(onUnsent) {
    this.#onUnsent = onUnsent;
    this.#player = new Player($("screen"), (clip) => this.#cannotPlay(clip));
    for (const button of document.querySelectorAll(".verdict")) {
      button.addEventListener("click", () => this.decide(button.dataset.verdict));
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
      const current = this.current && fresh.find((clip) => clip.id === this.current.id);
      this.#clips = current ? [current, ...fresh.filter((clip) => clip.id !== current.id)] : fresh;
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
    void this.#tell(clip, verdict, api.newKey(), line);
    if (this.#clips.length < AHEAD + 2) void this.refresh();
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

  async #tell(clip, verdict, key, line) {
    this.#count(1);
    try {
      for (;;) {
        try {
          await api.giveVerdict(clip.id, verdict, key, clip.state);
          line.classList.remove("waiting");
          line.lastElementChild.textContent = "";
          return;
        } catch (error) {
          if (error instanceof api.Refused) {
            this.#refused(line, error.message);
            return;
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
    line.dataset.clip = clip.id;
    for (const [kind, text] of [["word", WORDS[verdict]], ["what", `${nameOf(clip)} · ${clip.start}–${clip.end - 1}`], ["quiet", "…"]]) {
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
    for (const button of document.querySelectorAll(".verdict")) button.disabled = !clip;
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

function nameOf(clip) {
  return clip.title || `video ${clip.video_id.slice(0, 8)}`;
}

function confidence(element, value, none) {
  element.classList.toggle("doubt", value !== null && value < DOUBT);
  element.textContent = value === null ? none : `${value.toFixed(2)}${value < DOUBT ? " ?" : ""}`;
}
