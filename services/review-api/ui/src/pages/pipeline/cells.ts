// What stands in a video's row. Pure: the video's numbers in, cells out.

import type { Failure, Progress, Video } from "../../api/types";

export const COLUMNS = ["download", "preprocess", "scenes", "review", "export", "embed"] as const;

export type Cell =
  | { kind: "none" }
  | { kind: "done"; text: string }
  | { kind: "open"; text: string }
  | { kind: "going"; share: number; text: string }
  | { kind: "failed" };

const BEFORE_DOWNLOADED = new Set(["new", "rejected", "downloading", "download_failed"]);
const STAGES: Record<(typeof COLUMNS)[number], readonly string[]> = {
  download: ["download"],
  preprocess: ["plan", "preprocess"],
  scenes: ["scenes"],
  review: [],
  export: ["export"],
  embed: ["keyframe", "embed"],
};

const sum = (video: Video, states: readonly string[]): number => states.reduce((total, state) => total + (video.clips[state] ?? 0), 0);

const AFTER_EXPORT = ["exported", "keyframing", "keyframed", "embedding", "embedded", "keyframe_failed", "embedding_failed"];
const APPROVED = ["review_approved", "exporting", "export_failed", ...AFTER_EXPORT];

function percent(share: number): string {
  return `${Math.floor(share * 100)}%`;
}

/** One cell a column. */
export function cellsOf(video: Video, going: readonly Progress[], failed: readonly Failure[]): Cell[] {
  const downloaded = !BEFORE_DOWNLOADED.has(video.state);
  const total = video.segments_total;
  const made = total !== null && total > 0 && video.segments_done >= total;
  const pending = video.clips["pending_review"] ?? 0;
  const live = Object.entries(video.clips).reduce((all, [state, count]) => (state === "superseded" ? all : all + count), 0);
  const approved = sum(video, APPROVED);
  const exported = sum(video, AFTER_EXPORT);
  const embedded = sum(video, ["embedded"]);

  return COLUMNS.map((column): Cell => {
    if (failed.some((failure) => STAGES[column].includes(failure.stage) && !failure.clip_id)) return { kind: "failed" };
    const now = going.filter((one) => STAGES[column].includes(one.stage));
    const share = now.length ? Math.max(...now.map((one) => one.fraction)) : null;
    switch (column) {
      case "download":
        if (downloaded) return { kind: "done", text: "" };
        return { kind: "going", share: share ?? 0, text: share === null ? "waits" : percent(share) };
      case "preprocess": {
        if (!downloaded) return { kind: "none" };
        if (made) return { kind: "done", text: "" };
        const partly = Math.min(1, (video.segments_done + (share ?? 0)) / (total ?? Math.max(1, video.segments_done + 1)));
        return { kind: "going", share: partly, text: total === null ? `${video.segments_done} parts` : `${video.segments_done}/${total}` };
      }
      case "scenes":
        if (!downloaded || video.segments_done === 0) return { kind: "none" };
        return made ? { kind: "done", text: "" } : { kind: "open", text: `${video.segments_done} parts` };
      case "review":
        if (live === 0) return { kind: "none" };
        return pending > 0 ? { kind: "open", text: `${pending} of ${live} left` } : { kind: "done", text: String(live) };
      case "export":
        if (approved === 0) return { kind: "none" };
        return exported === approved ? { kind: "done", text: String(exported) } : { kind: "going", share: exported / approved, text: `${exported}/${approved}` };
      case "embed":
        if (exported === 0) return { kind: "none" };
        return embedded === exported ? { kind: "done", text: String(embedded) } : { kind: "going", share: embedded / exported, text: `${embedded}/${exported}` };
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
