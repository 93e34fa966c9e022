// How long a video still takes: what the stage says itself, else from how fast the video went in the last while.

import type { Progress, Video } from "../../api/types";
import { spell } from "../../lib/time";

interface Point {
  at: number;
  share: number;
}

const OVER_MS = 60_000;
const LEAST_MS = 3000;
const seen = new Map<string, Point[]>();

/** The share of a video's way to review that is done. */
export function shareOf(video: Video, going: readonly Progress[]): number | null {
  const now = (stage: string): number => Math.max(0, ...going.filter((one) => one.stage === stage).map((one) => one.fraction));
  if (video.state === "downloading") return now("download") * 0.2;
  if (video.state.endsWith("_failed") || video.segments_total === null || video.segments_total === 0 || video.segments_done >= video.segments_total) return null;
  return 0.2 + 0.8 * Math.min(1, (video.segments_done + now("preprocess")) / video.segments_total);
}

/** Seconds that are left at the pace of these points; null while it cannot be known. */
export function secondsLeft(points: readonly Point[]): number | null {
  const first = points[0];
  const last = points.at(-1);
  if (!first || !last || last.at - first.at < LEAST_MS || last.share <= first.share) return null;
  return ((1 - last.share) * (last.at - first.at)) / (last.share - first.share) / 1000;
}

/** Seconds that are left as the stage says that works on all that is left: the download, or the last part; null while it says nothing. */
export function toldLeft(video: Video, going: readonly Progress[]): number | null {
  const last = video.segments_done + 1 === video.segments_total ? "preprocess" : null;
  const stage = video.state === "downloading" ? "download" : last;
  return going.find((one) => one.stage === stage)?.left_s ?? null;
}

/** "4 min left", or nothing while there is no telling. */
export function pace(video: Video, going: readonly Progress[], now: number = Date.now()): string {
  const share = shareOf(video, going);
  if (share === null) {
    seen.delete(video.id);
    return "";
  }
  const points = (seen.get(video.id) ?? []).filter((point) => now - point.at < OVER_MS && point.share <= share);
  if (!points.length || now - (points.at(-1)?.at ?? 0) >= 900) points.push({ at: now, share });
  seen.set(video.id, points);
  const left = toldLeft(video, going) ?? secondsLeft(points);
  return left === null ? "" : `${spell(left)} left`;
}
