// What stands in a video's row. Pure: the video's numbers in, cells out.

import type { Failure, Progress, Video } from "../../api/types";
import { bytes, when } from "../../lib/time";

export const COLUMNS = ["download", "preprocess", "scenes", "review", "export", "embed"] as const;

/** What is said in place of all stages, of a video that takes none; `twin` is the video that takes them. */
export interface Instead {
  text: string;
  twin: string | null;
}

/** `note` says more of what moves or waits: how fast it goes, or what for. */
export type Cell =
  | { kind: "none" }
  | { kind: "done"; text: string }
  | { kind: "open"; text: string }
  | { kind: "going"; share: number; text: string; note: string }
  | { kind: "waits"; text: string; note: string }
  | { kind: "failed"; text: string };

const BEFORE_DOWNLOADED = new Set(["new", "downloading", "download_failed"]);
const PREPROCESSED = new Set(["preprocessed", "detecting_scenes", "in_review", "done"]);
const STAGES: Record<(typeof COLUMNS)[number], readonly string[]> = {
  download: ["download"],
  preprocess: ["plan", "preprocess"],
  scenes: ["scenes"],
  review: [],
  export: ["export"],
  embed: ["keyframe", "embed"],
};

const sum = (video: Video, states: readonly string[]): number => states.reduce((total, state) => total + (video.clips[state] ?? 0), 0);

const EMBED_FAILED = ["keyframe_failed", "embedding_failed"];
const AFTER_EXPORT = ["exported", "keyframing", "keyframed", "embedding", "embedded", ...EMBED_FAILED];
const APPROVED = ["review_approved", "exporting", "export_failed", ...AFTER_EXPORT];

function percent(share: number): string {
  return `${Math.floor(share * 100)}%`;
}

function parts(count: number): string {
  return count === 1 ? "1 part" : `${count} parts`;
}

/** What a video is that goes through no stage itself; null of one that does. */
export function insteadOf(video: Video): Instead | null {
  if (video.state === "linked") return { text: video.twin ? "same as" : "same as another video", twin: video.twin ?? null };
  if (video.state === "expanded") return { text: video.entries === 1 ? "a list of 1 video" : `a list of ${video.entries ?? 0} videos`, twin: null };
  return video.state === "rejected" ? { text: "refused", twin: null } : null;
}

/** What is not done has failed while somebody is to look at it, and is given up once its failure was discarded. */
function fateOf(stages: readonly string[], video: Video, failed: readonly Failure[]): string {
  // Not all failures may be known here.
  return video.failures > failed.length || failed.some((failure) => stages.includes(failure.stage)) ? "failed" : "given up";
}

/** A video's state in words. */
export function wordOf(video: Video, failed: readonly Failure[]): string {
  const stage = video.state.endsWith("_failed") ? video.state.slice(0, -"_failed".length) : null;
  return stage ? `${stage} ${fateOf([stage], video, failed)}` : video.state.replaceAll("_", " ");
}

/** Since when exports wait for their original; nothing where none does. */
export function thawOf(video: Video): string {
  const since = video.waits_for_original_since;
  return since && video.clips["exporting"] ? `waits for the original to be thawed since ${when(since)}` : "";
}

function speedOf(going: readonly Progress[]): string {
  const told = going.find((one) => one.per_s);
  if (!told?.per_s) return "";
  return told.stage === "download" ? `${bytes(Math.round(told.per_s))}/s` : `${Math.round(told.per_s)} frames/s`;
}

/** One cell a column, of a video that goes through the stages. */
export function cellsOf(video: Video, going: readonly Progress[], failed: readonly Failure[]): Cell[] {
  const total = video.segments_total;
  const downloaded = total !== null || !BEFORE_DOWNLOADED.has(video.state);
  const made = total !== null && total > 0 && video.segments_done >= total;
  const pending = video.clips["pending_review"] ?? 0;
  const live = Object.entries(video.clips).reduce((all, [state, count]) => (state === "superseded" ? all : all + count), 0);
  const approved = sum(video, APPROVED);
  const exported = sum(video, AFTER_EXPORT);

  return COLUMNS.map((column): Cell => {
    const stages = STAGES[column];
    const fate = fateOf(stages, video, failed);
    const broken = failed.some((failure) => stages.includes(failure.stage) && !failure.clip_id);
    if (broken || stages.some((stage) => video.state === `${stage}_failed`)) return { kind: "failed", text: fate };
    const now = going.filter((one) => stages.includes(one.stage));
    const share = now.length ? Math.max(...now.map((one) => one.fraction)) : null;
    const note = speedOf(now);
    /** Of so many clips some are through, and some will never be. */
    const clips = (all: number, done: number, lost: number, waits: string): Cell => {
      if (all === 0) return { kind: "none" };
      if (done === all) return { kind: "done", text: String(done) };
      if (done + lost === all) return { kind: "failed", text: `${lost} of ${all} ${fate}` };
      const text = `${done}/${all}`;
      const said = [lost ? `${lost} ${fate}` : "", waits].filter(Boolean).join(", ");
      return waits ? { kind: "waits", text, note: said } : { kind: "going", share: done / all, text, note: said };
    };
    switch (column) {
      case "download":
        if (downloaded) return { kind: "done", text: "" };
        if (video.state === "new") return { kind: "open", text: "waits" };
        return { kind: "going", share: share ?? 0, text: share === null ? "waits" : percent(share), note };
      case "preprocess": {
        if (!downloaded) return { kind: "none" };
        if (made || PREPROCESSED.has(video.state)) return { kind: "done", text: "" };
        const text = total === null ? parts(video.segments_done) : `${video.segments_done}/${total}`;
        if (share === null && video.state.endsWith("_failed")) return { kind: "open", text };
        const partly = Math.min(1, (video.segments_done + (share ?? 0)) / (total ?? Math.max(1, video.segments_done + 1)));
        return { kind: "going", share: partly, text, note };
      }
      case "scenes":
        if (made) return { kind: "done", text: "" };
        return video.segments_done ? { kind: "open", text: parts(video.segments_done) } : { kind: "none" };
      case "review":
        if (live === 0) return { kind: "none" };
        return pending > 0 ? { kind: "open", text: `${pending} of ${live} left` } : { kind: "done", text: String(live) };
      case "export":
        return clips(approved, exported, sum(video, ["export_failed"]), thawOf(video));
      case "embed":
        return clips(exported, sum(video, ["embedded"]), sum(video, EMBED_FAILED), "");
    }
  });
}

/** How much waits before each stage, of the videos that are shown. */
export function depths(videos: readonly Video[]): [string, number][] {
  const found: Record<string, number> = { download: 0, preprocess: 0, review: 0, export: 0, keyframe: 0, embed: 0 };
  const add = (stage: string, count: number): void => {
    found[stage] = (found[stage] ?? 0) + count;
  };
  for (const video of videos) {
    if (video.state === "downloading") add("download", 1);
    if (!video.state.endsWith("_failed") && video.segments_total !== null) add("preprocess", Math.max(0, video.segments_total - video.segments_done));
    add("review", video.clips["pending_review"] ?? 0);
    add("export", video.clips["exporting"] ?? 0);
    add("keyframe", video.clips["keyframing"] ?? 0);
    add("embed", video.clips["embedding"] ?? 0);
  }
  return Object.entries(found).filter(([, count]) => count > 0);
}
