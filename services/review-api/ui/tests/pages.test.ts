import { describe, expect, test } from "vitest";
import type { Failure, Video } from "../src/api/types";
import { dhash, distance, together } from "../src/pages/grid/stacks";
import { cellsOf, depths } from "../src/pages/pipeline/cells";
import { secondsLeft, shareOf } from "../src/pages/pipeline/pace";

const video = (change: Partial<Video>): Video =>
  ({ id: "v", title: "harbour", state: "in_review", segments_done: 2, segments_total: 2, clips: {}, failures: 0, ...change }) as Video;

describe("a video's row says how far it is", () => {
  test("while it is downloaded", () => {
    const going = [{ video_id: "v", stage: "download", fraction: 0.615, detail: "" }];
    expect(cellsOf(video({ state: "downloading", segments_total: null, segments_done: 0 }), going, [])).toEqual([
      { kind: "going", share: 0.615, text: "61%" },
      ...Array.from({ length: 5 }, () => ({ kind: "none" })),
    ]);
  });

  test("while clips are open and the rest is being made", () => {
    const cells = cellsOf(video({ state: "preprocessing", segments_done: 1, segments_total: 4, clips: { pending_review: 3, exporting: 1, embedded: 1, superseded: 9 } }), [], []);
    expect(cells.map((cell) => ("text" in cell ? cell.text : cell.kind))).toEqual(["", "1/4", "1 parts", "3 of 5 left", "1/2", "1"]);
  });

  test("what has failed is failed, whatever else is known", () => {
    const failed = [{ stage: "scenes", video_id: "v", clip_id: null } as Failure];
    expect(cellsOf(video({}), [], failed)[2]).toEqual({ kind: "failed" });
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

  test("is nothing for what is done", () => {
    expect(shareOf(video({}), [])).toBeNull();
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
