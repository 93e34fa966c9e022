import { describe, expect, test } from "vitest";
import type { Failure, Progress, Video, VideoState } from "../src/api/types";
import { dhash, distance, together } from "../src/pages/grid/stacks";
import { cellsOf, COLUMNS, depths, insteadOf, thawOf, wordOf } from "../src/pages/pipeline/cells";
import { pace, secondsLeft, shareOf, toldLeft } from "../src/pages/pipeline/pace";

const video = (change: Partial<Video>): Video =>
  ({ id: "v", title: "harbour", state: "in_review", segments_done: 2, segments_total: 2, clips: {}, failures: 0, ...change }) as Video;

describe("a video's row says how far it is", () => {
  test("while it is downloaded", () => {
    const going = [{ video_id: "v", stage: "download", fraction: 0.615, detail: "" }];
    expect(cellsOf(video({ state: "downloading", segments_total: null, segments_done: 0 }), going, [])).toEqual([
      { kind: "going", share: 0.615, text: "61%", note: "" },
      ...Array.from({ length: 5 }, () => ({ kind: "none" })),
    ]);
  });

  test("while clips are open and the rest is being made", () => {
    const cells = cellsOf(video({ state: "preprocessing", segments_done: 1, segments_total: 4, clips: { pending_review: 3, exporting: 1, embedded: 1, superseded: 9 } }), [], []);
    expect(cells.map((cell) => ("text" in cell ? cell.text : cell.kind))).toEqual(["", "1/4", "1 part", "3 of 5 left", "1/2", "1"]);
  });

  test("what has failed is failed, whatever else is known", () => {
    const failed = [{ stage: "scenes", video_id: "v", clip_id: null } as Failure];
    expect(cellsOf(video({ failures: 1 }), [], failed)[2]).toEqual({ kind: "failed", text: "failed" });
  });

  const NOT_YET = { segments_done: 0, segments_total: null };
  const HALF = { segments_done: 1, segments_total: 2 };
  // As few letters as will do: what is done has a tick, what moves a bar, what was given up a cross.
  const SIGNS = { none: "-", done: "✓", open: "", going: ">", waits: "…", failed: "✗" };
  const shown = (one: Video): string => cellsOf(one, [], []).map((cell) => SIGNS[cell.kind] + ("text" in cell ? cell.text : "")).join(" | ");
  test.each<[VideoState, Partial<Video>, string]>([
    ["new", NOT_YET, "waits | - | - | - | - | -"],
    ["downloading", NOT_YET, ">waits | - | - | - | - | -"],
    ["downloaded", NOT_YET, "✓ | >0 parts | - | - | - | -"],
    ["preprocessing", NOT_YET, "✓ | >0 parts | - | - | - | -"],
    ["preprocessing", HALF, "✓ | >1/2 | 1 part | - | - | -"],
    ["preprocessed", HALF, "✓ | ✓ | 1 part | - | - | -"],
    ["detecting_scenes", HALF, "✓ | ✓ | 1 part | - | - | -"],
    ["in_review", { clips: { pending_review: 2, exporting: 1 } }, "✓ | ✓ | ✓ | 2 of 3 left | >0/1 | -"],
    ["done", { clips: { embedded: 3, review_skipped: 1 } }, "✓ | ✓ | ✓ | ✓4 | ✓3 | ✓3"],
    ["download_failed", NOT_YET, "✗given up | - | - | - | - | -"],
    ["download_failed", HALF, "✗given up | 1/2 | 1 part | - | - | -"],
    ["plan_failed", NOT_YET, "✓ | ✗given up | - | - | - | -"],
    ["preprocess_failed", HALF, "✓ | ✗given up | 1 part | - | - | -"],
    ["scenes_failed", HALF, "✓ | 1/2 | ✗given up | - | - | -"],
  ])("a video that is %s, and has %o", (state, has, row) => {
    expect(shown(video({ state, ...has }))).toBe(row);
  });

  test.each<[VideoState, Partial<Video>, string, string | null]>([
    ["linked", { twin: "t" }, "same as", "t"],
    ["expanded", { entries: 12 }, "a list of 12 videos", null],
    ["expanded", { entries: 1 }, "a list of 1 video", null],
    ["rejected", {}, "refused", null],
  ])("a video that is %s goes through no stage", (state, has, text, twin) => {
    expect(insteadOf(video({ state, ...NOT_YET, ...has }))).toEqual({ text, twin });
  });

  test("clips that were given up are not on their way", () => {
    expect(shown(video({ clips: { export_failed: 1, embedded: 3 } }))).toBe("✓ | ✓ | ✓ | ✓4 | ✗1 of 4 given up | ✓3");
    expect(shown(video({ clips: { embedding_failed: 1, keyframe_failed: 1, embedded: 2 } }))).toBe("✓ | ✓ | ✓ | ✓4 | ✓4 | ✗2 of 4 given up");
    const some = cellsOf(video({ clips: { export_failed: 1, exporting: 1, embedded: 2 } }), [], []);
    expect(some[4]).toEqual({ kind: "going", share: 0.5, text: "2/4", note: "1 given up" });
  });

  test("what has failed is given up only once nobody is to look at it any more", () => {
    const failure = { stage: "export", video_id: "v", clip_id: "c" } as Failure;
    const clips = { export_failed: 1 };
    expect(cellsOf(video({ clips, failures: 1 }), [], [failure])[4]).toEqual({ kind: "failed", text: "1 of 1 failed" });
    expect(cellsOf(video({ clips, failures: 1 }), [], [])[4]).toEqual({ kind: "failed", text: "1 of 1 failed" });
    expect(wordOf(video({ state: "download_failed", failures: 1 }), [{ stage: "download" } as Failure])).toBe("download failed");
    expect(wordOf(video({ state: "download_failed" }), [])).toBe("download given up");
  });

  test("an export that waits for its original says so, as long as it waits", () => {
    const waits_for_original_since = new Date(2026, 10, 21, 14, 3).toISOString();
    const text = "waits for the original to be thawed since 21 Nov 14:03";
    const waiting = video({ waits_for_original_since, clips: { exporting: 1, embedded: 1 } });
    expect(cellsOf(waiting, [], [])[4]).toEqual({ kind: "waits", text: "1/2", note: text });
    expect(thawOf(waiting)).toBe(text);
    expect(thawOf(video({ waits_for_original_since, clips: { review_skipped: 1 } }))).toBe("");
  });

  test("how fast it goes is said in what the stage counts", () => {
    const going = (stage: string, per_s: number): Progress[] => [{ video_id: "v", stage, fraction: 0.5, detail: "", per_s }];
    const noteOf = (state: VideoState, working: Progress[]): unknown[] => cellsOf(video({ state, ...NOT_YET }), working, []).map((cell) => "note" in cell && cell.note);
    expect(noteOf("downloading", going("download", 4_200_000.7))[COLUMNS.indexOf("download")]).toBe("4.20 MB/s");
    expect(noteOf("preprocessing", going("preprocess", 96.6))[COLUMNS.indexOf("preprocess")]).toBe("97 frames/s");
    expect(noteOf("downloading", going("download", 0))[COLUMNS.indexOf("download")]).toBe("");
  });

  test("what waits is counted by stage", () => {
    const waiting = depths([video({ state: "downloading", segments_total: null }), video({ segments_total: 5, clips: { pending_review: 4, exporting: 2 } })]);
    expect(waiting).toEqual([["download", 1], ["preprocess", 3], ["review", 4], ["export", 2]]);
  });
});

describe("how long it takes", () => {
  test("is told from the pace, once there is one", () => {
    expect(secondsLeft([{ at: 0, share: 0.2 }])).toBeNull();
    expect(secondsLeft([{ at: 0, share: 0.2 }, { at: 10_000, share: 0.6 }])).toBe(10);
    expect(secondsLeft([{ at: 0, share: 0.2 }, { at: 10_000, share: 0.2 }])).toBeNull();
  });

  test("is what the stage itself says, of a download and of the last part", () => {
    const going = ["download", "preprocess"].map((stage, n) => ({ video_id: "v", stage, fraction: 0.5, detail: "", left_s: [90, 30][n] as number }));
    expect(toldLeft(video({ state: "downloading", segments_done: 0, segments_total: null }), going)).toBe(90);
    expect(toldLeft(video({ state: "preprocessing", segments_done: 1, segments_total: 2 }), going)).toBe(30);
    expect(toldLeft(video({ state: "preprocessing", segments_done: 1, segments_total: 3 }), going)).toBeNull();
    expect(toldLeft(video({ state: "downloading", segments_done: 0, segments_total: null }), [])).toBeNull();
    expect(pace(video({ state: "downloading", segments_done: 0, segments_total: null }), going)).toBe("1 min 30 s left");
  });

  test("is nothing for what is done, or given up", () => {
    expect(shareOf(video({}), [])).toBeNull();
    expect(shareOf(video({ state: "preprocess_failed", segments_done: 1, segments_total: 2 }), [])).toBeNull();
    expect(shareOf(video({ state: "preprocessing", segments_done: 1, segments_total: 2 }), [])).toBeCloseTo(0.6);
  });
});

describe("near-identical clips are one stack", () => {
  const rising = Array.from({ length: 72 }, (_, n) => n % 9);
  const falling = Array.from({ length: 72 }, (_, n) => 9 - (n % 9));
  const nearly = rising.map((value, n) => (n === 4 ? 0 : value));

  test("a picture that rises everywhere is all ones", () => {
    expect(dhash(rising)).toEqual([0xffffffff, 0xffffffff]);
    expect(dhash(falling)).toEqual([0, 0]);
  });

  test("the distance is the worst of a clip's pictures", () => {
    expect(distance([dhash(rising), dhash(rising)], [dhash(nearly), dhash(falling)])).toBe(64);
    expect(distance([dhash(rising)], [dhash(nearly)])).toBe(1);
  });

  test("those that are alone are in none", () => {
    const signatures = new Map([
      ["a", [dhash(rising)]],
      ["b", [dhash(falling)]],
      ["c", [dhash(nearly)]],
    ]);
    expect(together(["a", "b", "c", "unknown"], signatures)).toEqual(new Map([["a", ["a", "c"]]]));
  });
});
