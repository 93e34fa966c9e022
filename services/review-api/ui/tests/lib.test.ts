import { describe, expect, test } from "vitest";
import { chordOf, keysOf } from "../src/lib/chord";
import { rank } from "../src/lib/rank";
import { all, NONE, only, ranged, toggled, without } from "../src/lib/selection";
import { bytes, clock, milliseconds, short, spanOf, spell, timecode, when } from "../src/lib/time";
import { clipAt, ticksAt } from "../src/lib/times";
import { Timing } from "../src/lib/timing";
import { clamped, frameAt, shownCuts, xOf, zoomed } from "../src/lib/view";
import { layout, neighbour, visible } from "../src/lib/virtual";

describe("times are exact, and rounded once", () => {
  test("ticks become milliseconds by integers", () => {
    expect(milliseconds(1001, [1, 24000])).toBe(42);
    expect(milliseconds(12, [1, 24000])).toBe(1); // half a millisecond goes up
    expect(milliseconds(9_007_199_254_740, [1, 1000])).toBe(9_007_199_254_740);
  });

  test("each form says the same moment", () => {
    expect(timecode(72_480)).toBe("00:01:12.480");
    expect(short(3_750)).toBe("0:03.750");
    expect(short(3_723_750)).toBe("1:02:03.750");
    expect(clock(3_731_000)).toBe("1:02:11");
  });

  test("a span whose times are not known is told in frames", () => {
    const clip = { start: 7, end: 33, frames: 26, start_ticks: null, end_ticks: null, time_base: null };
    expect(spanOf(clip)).toBe("frames 7 – 32");
    expect(spanOf({ ...clip, start_ticks: 0, end_ticks: 280, time_base: [1, 1000] })).toBe("00:00:00.000 – 00:00:00.280");
  });

  test.each([
    [0.42, "0.4 s"],
    [14.4, "14 s"],
    [200, "3 min 20 s"],
    [1500, "25 min"],
    [7500, "2 h 5 min"],
  ])("%d seconds are %s", (seconds, words) => expect(spell(seconds)).toBe(words));

  test.each([
    [512, "512 B"],
    [14_200_000, "14.2 MB"],
    [999_600, "1.00 MB"],
    [123_456_789, "123 MB"],
  ])("%d bytes are %s", (count, words) => expect(bytes(count)).toBe(words));

  test("today is told by the second, the past by the day", () => {
    const now = new Date(2026, 10, 22, 15);
    expect(when(new Date(2026, 10, 22, 14, 3, 22).toISOString(), now)).toBe("14:03:22");
    expect(when(new Date(2026, 10, 21, 14, 3, 22).toISOString(), now)).toBe("21 Nov 14:03");
  });
});

describe("when a frame of a video begins", () => {
  const clip = (start: number, end: number, start_ticks: number | null, end_ticks: number | null) => ({ start, end, frames: end - start, start_ticks, end_ticks, time_base: [1, 1000] });
  const clips = [clip(0, 4, 0, 400), clip(4, 8, 400, 1000), clip(10, 12, 1200, 1300)];

  test("is looked up in its clip", () => {
    expect([0, 3, 4, 7, 8, 10, 12].map((frame) => clipAt(clips, frame)?.start)).toEqual([0, 0, 4, 4, 4, 10, 10]);
    expect([9, 13].map((frame) => clipAt(clips, frame))).toEqual([null, null]);
    expect(clipAt([], 0)).toBeNull();
  });

  test("is exact at cuts, and even between them until more is known", () => {
    expect([4, 5, 8].map((frame) => ticksAt(clip(4, 8, 400, 1000), frame))).toEqual([400, 550, 1000]);
    expect([4, 5, 6, 7, 8].map((frame) => ticksAt(clip(4, 8, 400, 1000), frame, [[1, 33], [2, 41], [1, 485]]))).toEqual([400, 433, 474, 515, 1000]);
  });

  test("is not known where the clip's times are not", () => {
    expect(ticksAt(clip(4, 8, null, null), 5)).toBeNull();
  });
});

describe("a frame's middle names that frame", () => {
  test("at a constant rate", () => {
    const timing = Timing.fromRuns([[60, 1001]], [1, 30000]);
    expect(Array.from({ length: 60 }, (_, n) => timing.frameAt(timing.middle(n)))).toEqual(Array.from({ length: 60 }, (_, n) => n));
  });

  test("at a variable rate, and at each frame's very begin", () => {
    const timing = Timing.fromRuns([[2, 512], [1, 2048], [3, 256]], [1, 12800]);
    expect(timing.frames).toBe(6);
    expect(timing.begin(3)).toBeCloseTo(0.24, 9);
    expect([0, 1, 2, 3, 4, 5].map((n) => timing.frameAt(timing.begin(n)))).toEqual([0, 1, 2, 3, 4, 5]);
    expect(timing.frameAt(0.2)).toBe(2);
    expect(timing.durationS).toBeCloseTo(0.3, 9);
  });

  test("backwards each frame lasts as long as forwards, and before the first comes the last", () => {
    const timing = Timing.fromRuns([[2, 100], [1, 800], [2, 100]], [1, 1000]);
    const back = (frame: number, seconds: number) => timing.back(frame, seconds)[0];
    expect([back(4, 0.05), back(4, 0.15), back(3, 0.5), back(3, 0.85), back(1, 0.15), back(0, 0.15)]).toEqual([4, 3, 3, 2, 0, 4]);
    expect(timing.back(4, 0.15)[1]).toBeCloseTo(0.05, 9);
  });

  test("outside the clip it is the first or the last", () => {
    const timing = Timing.even(10, 1);
    expect([timing.frameAt(-1), timing.frameAt(99)]).toEqual([0, 9]);
    expect(timing.middle(99)).toBeCloseTo(0.95, 9);
  });
});

describe("keys", () => {
  const press = (code: string, key: string, more = "") => ({
    code,
    key,
    ctrlKey: more.includes("c"),
    metaKey: more.includes("m"),
    altKey: more.includes("a"),
    shiftKey: more.includes("s"),
    getModifierState: () => more.includes("g"),
  });

  test.each([
    [press("KeyA", "q"), "A"], // a French keyboard prints another letter there
    [press("KeyG", "G", "s"), "Shift+G"],
    [press("KeyZ", "z", "m"), "Ctrl+Z"],
    [press("ArrowLeft", "ArrowLeft", "as"), "Alt+Shift+←"],
    [press("Minus", "?", "s"), "?"], // a German keyboard has it there
    [press("Space", " "), "Space"],
    [press("Digit3", "3"), "3"],
    [press("Digit7", "/", "s"), "/"], // a German one, and a Spanish
    [press("Digit8", "[", "g"), "["],
    [press("Digit9", "]", "cag"), "]"], // Windows says Ctrl and Alt of AltGr
    [press("Digit5", "[", "g"), "["], // a French one
    [press("Digit5", "[", "a"), "["], // a German one of a Mac
    [press("Digit7", "&", "s"), "Shift+7"],
    [press("ShiftLeft", "Shift", "s"), null],
  ])("%o is %s", (event, chord) => expect(chordOf(event)).toBe(chord));

  test("a chord is drawn key by key", () => {
    expect(keysOf("Ctrl+Shift+Z")).toEqual(["Ctrl", "Shift", "Z"]);
    expect(keysOf("+")).toEqual(["+"]);
    expect(keysOf("Ctrl++")).toEqual(["Ctrl", "+"]);
  });
});

describe("a long grid exists only where it is looked at", () => {
  test("a hundred thousand tiles are a few rows", () => {
    const grid = layout(100_000, 1400, 168, 8, 24);
    const [first, last] = visible(grid, 100_000, 50_000, 800, 2);
    expect(grid.columns).toBe(8);
    expect(last - first).toBeLessThan(100);
    expect(visible(grid, 100_000, grid.heightPx, 800, 2)[1]).toBe(100_000);
  });

  test("nothing is nothing, and a narrow window has one column", () => {
    expect(visible(layout(0, 1400, 168, 8, 24), 0, 0, 800, 2)).toEqual([0, 0]);
    expect(layout(3, 100, 168, 8, 24).columns).toBe(1);
  });

  test("arrows stay inside; down from the last but one row reaches the last tile", () => {
    expect(neighbour(0, "left", 4, 10)).toBeNull();
    expect(neighbour(1, "down", 4, 10)).toBe(5);
    expect(neighbour(7, "down", 4, 10)).toBe(9);
    expect(neighbour(9, "down", 4, 10)).toBeNull();
    expect(neighbour(3, "last", 4, 10)).toBe(9);
  });
});

describe("choosing", () => {
  const ids = ["a", "b", "c", "d", "e"];

  test("one, one more, a range, all, none", () => {
    const one = only(ids, 1);
    expect([...one.chosen]).toEqual(["b"]);
    expect([...toggled(one, ids, 3).chosen]).toEqual(["b", "d"]);
    expect([...ranged(one, ids, 3, false).chosen]).toEqual(["b", "c", "d"]);
    expect([...ranged(toggled(one, ids, 4), ids, 3, true).chosen]).toEqual(["b", "e", "d"]);
    expect([...toggled(one, ids, 1).chosen]).toEqual([]);
    expect(all(ids).chosen.size).toBe(5);
  });

  test("what was decided is chosen no more", () => {
    expect([...without(all(ids), new Set(["a", "e"])).chosen]).toEqual(["b", "c", "d"]);
    expect(without(NONE, new Set(["a"]))).toBe(NONE);
  });
});

describe("zooming", () => {
  test("keeps the frame under the pointer where it is", () => {
    const view = zoomed({ from: 0, to: 1000 }, 0.5, 250, 1000);
    expect(view).toEqual({ from: 125, to: 625 });
    expect(xOf(view, 250, 800)).toBe(200);
    expect(frameAt(view, 200, 800)).toBe(250);
  });

  test("never leaves the film, nor shows less than can be told apart", () => {
    expect(zoomed({ from: 0, to: 1000 }, 9, 250, 1000)).toEqual({ from: 0, to: 1000 });
    expect(clamped({ from: 990, to: 1010 }, 1000)).toEqual({ from: 976, to: 1000 });
    expect(clamped({ from: -5, to: 5 }, 10)).toEqual({ from: 0, to: 10 });
  });

  test("of too many cuts the most certain stay, in order", () => {
    const cuts = [0.2, 0.9, 0.5, 0.8].map((confidence, n) => ({ frame: n * 10, confidence }));
    expect(shownCuts(cuts, { from: 5, to: 40 }, 2).map((cut) => cut.frame)).toEqual([10, 30]);
  });
});

test("what begins with the words comes first, letters in order come last", () => {
  const names = ["Harbour walk", "Walk in fog", "Show the keys", "Wide angle lake"];
  expect(rank("walk", names, (name) => name)).toEqual(["Walk in fog", "Harbour walk", "Wide angle lake"]);
  expect(rank("", names, (name) => name)).toEqual(names);
  expect(rank("xyz", names, (name) => name)).toEqual([]);
});
