// The pipeline page: every video with its state and progress, and what has failed with its reason.

import * as api from "./api.js";
import { milliseconds, short } from "./time.js";

const $ = (id) => document.getElementById(id);
const LIMIT = 100;
const DECIDED_LAST = ["pending_review", "exporting", "keyframing", "embedding", "embedded", "review_skipped", "review_archived"];
const WORDS = {
  pending_review: "to review",
  embedded: "done",
  review_skipped: "skipped",
  review_archived: "archived",
};

export class Pipeline {
  constructor() {
    $("ask").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#ask();
    });
  }

  async refresh() {
    let lists;
    try {
      lists = await Promise.all([api.videos(LIMIT), api.failures(), api.progress()]);
    } catch (error) {
      $("ask-answer").textContent = error.message;
      return;
    }
    const [videos, failures, progress] = lists.map((list) => list.items);
    const titles = new Map(videos.map((video) => [video.id, video.title || `video ${video.id.slice(0, 8)}`]));
    $("videos").replaceChildren(
      ...videos.map((video) =>
        row(video, progress.filter((one) => one.video_id === video.id), failures.filter((one) => one.video_id === video.id)),
      ),
    );
    $("videos-empty").hidden = videos.length > 0;
    $("failures").replaceChildren(...failures.map((failure) => failureRow(failure, titles)));
    $("failures-empty").hidden = failures.length > 0;
    $("failed-count").textContent = String(failures.length);
    $("failed-count").hidden = failures.length === 0;
  }

  async #ask() {
    const answer = $("ask-answer");
    answer.textContent = "asking…";
    try {
      const { status, reason } = await api.request($("address").value);
      answer.textContent = { requested: "on its way", duplicate: "it was asked for before" }[status] || `refused: ${reason}`;
      if (status !== "rejected") $("address").value = "";
      await this.refresh();
    } catch (error) {
      answer.textContent = error.message;
    }
  }
}

function row(video, progress, failures) {
  const line = document.createElement("li");
  line.dataset.video = video.id;
  const length = video.duration_ticks === null || !video.time_base ? "" : short(milliseconds(video.duration_ticks, video.time_base));
  const title = video.title || `video ${video.id.slice(0, 8)}`;
  line.append(
    cell("name", title, title),
    cell("time quiet", length),
    state(video.state),
    bar(video, progress),
    cell("quiet", clipsOf(video.clips)),
  );
  for (const failure of failures) line.append(cell("why", `! ${failure.stage}: ${failure.reason}`));
  return line;
}

function state(name) {
  const element = cell("state", name.replaceAll("_", " "));
  element.dataset.kind = name.endsWith("_failed") ? "failed" : { done: "done", in_review: "review" }[name] || "working";
  return element;
}

function bar(video, progress) {
  const box = document.createElement("div");
  const working = progress.at(-1);
  const segments = video.segments_total ? `${video.segments_done} of ${video.segments_total} segments` : "";
  const share = video.segments_total ? video.segments_done / video.segments_total : (working?.fraction ?? 0);
  const resting = ["done", "in_review"].includes(video.state) || video.state.endsWith("_failed");
  if (resting && !working) return cell("quiet", segments);
  const element = document.createElement("progress");
  element.max = 1;
  element.value = share;
  element.setAttribute("aria-label", `progress of ${video.title || video.id}`);
  const words = working ? `${working.stage.replaceAll("_", " ")} ${Math.round(working.fraction * 100)}%` : segments;
  box.append(element, cell("quiet", words));
  return box;
}

function clipsOf(clips) {
  const order = [...DECIDED_LAST, ...Object.keys(clips).filter((name) => !DECIDED_LAST.includes(name))];
  return order
    .filter((name) => clips[name])
    .map((name) => `${clips[name]} ${WORDS[name] || name.replaceAll("_", " ")}`)
    .join(", ");
}

function failureRow(failure, titles) {
  const line = document.createElement("li");
  line.append(
    cell("stage", `! ${failure.stage.replaceAll("_", " ")}`),
    cell("name", titles.get(failure.video_id) || failure.video_id),
    cell("quiet", `${failure.failure_class.replaceAll("_", " ")}, ${failure.attempts} ${failure.attempts === 1 ? "attempt" : "attempts"}`),
    cell("why", failure.reason),
  );
  return line;
}

function cell(kind, text, title) {
  const element = document.createElement("span");
  element.className = kind;
  element.textContent = text;
  if (title) element.title = title;
  return element;
}
