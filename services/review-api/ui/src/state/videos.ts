// Videos, what is being worked on, and what has failed: asked for when something changed, for all pages at once.

import { signal } from "@preact/signals";
import { get } from "../api/client";
import type { Failure, Failures, Progress, ProgressList, Stage, Stages, Video, Videos } from "../api/types";
import { whenQuiet } from "../lib/hurry";
import { onChanges, onLive } from "./live";
import { route, type Page } from "./route";
import { say } from "./toasts";

const SOON_MS = 300;
/** On pages that show none of it but a count, what changes is asked for at leisure. */
const LATER_MS = 15_000;
const LOOKED_AT: readonly Page[] = ["pipeline", "failed", "timeline", "grid"];
const PROGRESS_MS = 1000;
const FIRST = 100;

export const videos = signal<readonly Video[]>([]);
export const nextVideos = signal<string | null>(null);
export const videosState = signal<"loading" | "ready" | "failed">("loading");
export const videosProblem = signal("");
/** What was given up, the newest; there may be more. */
export const failures = signal<readonly Failure[]>([]);
export const failuresInAll = signal(0);
export const progress = signal<readonly Progress[]>([]);
export const stages = signal<readonly Stage[]>([]);

let soon: ReturnType<typeof setTimeout> | null = null;
let shown = FIRST;

let asked = 0;

async function refresh(): Promise<void> {
  asked += 1;
  const turn = asked;
  try {
    const [page, failed] = await Promise.all([get<Videos>("/api/videos", { limit: Math.min(500, shown) }), get<Failures>("/api/failures")]);
    if (turn !== asked) return;
    videos.value = page.items;
    nextVideos.value = page.next;
    failures.value = failed.items;
    failuresInAll.value = failed.total;
    videosState.value = "ready";
  } catch (error) {
    videosProblem.value = error instanceof Error ? error.message : String(error);
    if (!videos.value.length) videosState.value = "failed";
  }
}

/** Ask again, once for everything that happens within a moment. */
export function refreshVideos(): void {
  soon ??= setTimeout(
    () => {
      soon = null;
      whenQuiet(() => void refresh());
    },
    LOOKED_AT.includes(route.peek().page) ? SOON_MS : LATER_MS,
  );
}

/** Show more of a long list. */
export async function moreVideos(): Promise<void> {
  const cursor = nextVideos.value;
  if (!cursor) return;
  let page: Videos;
  try {
    page = await get<Videos>("/api/videos", { limit: FIRST, cursor });
  } catch (error) {
    say("failed", error instanceof Error ? error.message : String(error));
    return;
  }
  // Asked for twice, or the list was read anew meanwhile.
  if (cursor !== nextVideos.peek()) return;
  asked += 1;
  shown += page.items.length;
  videos.value = [...videos.value, ...page.items];
  nextVideos.value = page.next;
}

/** Begin to watch. */
export function startVideos(): () => void {
  void refresh();
  const looked = route.subscribe(({ page }) => {
    // What was left for later is shown now.
    if (soon === null || !LOOKED_AT.includes(page)) return;
    clearTimeout(soon);
    soon = null;
    void refresh();
  });
  const stops = [onChanges(refreshVideos), onLive(refreshVideos), looked];
  return () => {
    for (const stop of stops) stop();
  };
}

/** Ask what is worked on, every second while somebody looks. */
export function watchProgress(): () => void {
  let stopped = false;
  const ask = async (): Promise<void> => {
    if (stopped) return;
    if (document.visibilityState === "visible") {
      try {
        progress.value = (await get<ProgressList>("/api/progress")).items;
      } catch {
        // What was known stays; the live mark says that nobody answers.
      }
    }
    setTimeout(() => void ask(), PROGRESS_MS);
  };
  void ask();
  void refreshStages();
  return () => {
    stopped = true;
  };
}

/** Which stages there are, and which rest. */
export async function refreshStages(): Promise<void> {
  try {
    stages.value = (await get<Stages>("/api/stages")).items;
  } catch {
    // See above.
  }
}
