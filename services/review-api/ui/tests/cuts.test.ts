import { signal, type Signal } from "@preact/signals";
import { describe, expect, test } from "vitest";
import { Refused } from "../src/api/client";
import type { Outcome } from "../src/api/outbox";
import type { CutsChanged, Turned, VideoDetail } from "../src/api/types";
import { Cutting } from "../src/lib/cutting";
import { patched, patchOf, unknownTo, type AnyCut, type CutWish, type Pending } from "../src/lib/cuts";
import { Editing } from "../src/pages/timeline/editing";

const cut = (frame: number, by: string | null = null): AnyCut => ({ frame, kind: "hard", confidence: by ? 1 : 0.5, extent: [frame, frame + 1], by });
const pending = (cuts: readonly AnyCut[], ...wishes: CutWish[]): Pending[] => {
  const all: Pending[] = [];
  for (const [n, wish] of wishes.entries()) all.push({ key: String(n), patch: patchOf(patched(cuts, all), wish, "ada").does, since: null });
  return all;
};
const framesOf = (cuts: readonly AnyCut[]): number[] => cuts.map((one) => one.frame);

describe("a change that is on its way is laid over what the server says", () => {
  const there = [cut(40), cut(80)];

  test.each<[string, CutWish[], number[]]>([
    ["added", [{ operation: "add", frame: 10 }], [10, 40, 80]],
    ["removed", [{ operation: "remove", frame: 40 }], [80]],
    ["moved", [{ operation: "move", frame: 40, to: 90 }], [80, 90]],
    ["added and removed", [{ operation: "add", frame: 10 }, { operation: "remove", frame: 10 }], [40, 80]],
    ["removed, and another moved to its place", [{ operation: "remove", frame: 40 }, { operation: "move", frame: 80, to: 40 }], [40]],
  ])("%s", (_, wishes, frames) => expect(framesOf(patched(there, pending(there, ...wishes)))).toEqual(frames));

  test("whether that has all of it already, some of it, or none", () => {
    const wishes: CutWish[] = [{ operation: "remove", frame: 40 }, { operation: "move", frame: 80, to: 40 }, { operation: "add", frame: 60 }];
    const all = pending(there, ...wishes);

    const states = [[cut(40), cut(80)], [cut(80)], [cut(40, "ada")], [cut(40, "ada"), cut(60, "ada")]];

    expect(states.map((state) => framesOf(patched(state, all)))).toEqual([[40, 60], [40, 60], [40, 60], [40, 60]]);
  });

  test("a confirmed cut is certain, and whose it is", () => {
    const [first] = patched(there, pending(there, { operation: "confirm", frame: 40 }));

    expect(first).toEqual({ frame: 40, kind: "hard", confidence: 1, extent: [40, 41], by: "ada" });
  });

  test("what takes it back brings the very cut that stood there", () => {
    const { does, undoes } = patchOf(there, { operation: "move", frame: 40, to: 38 }, "ada");
    const after = patched(there, [{ key: "a", patch: does, since: null }, { key: "b", patch: undoes, since: null }]);

    expect(after).toEqual(there);
  });

  test("it is not needed from the version on that has it", () => {
    const all: Pending[] = [{ key: "a", patch: new Map(), since: 7 }, { key: "b", patch: new Map(), since: null }];

    expect([6, 7].map((version) => unknownTo(version, all).map(({ key }) => key))).toEqual([["a", "b"], ["b"]]);
  });
});

interface Told {
  wish: CutWish;
  answer: (sequence: number, frames: number[]) => Promise<void>;
  refuse: (why: string) => Promise<void>;
}

function line(frames: number[]): { editing: Editing; told: Told[]; refused: string[]; state: (version: number, frames: number[]) => VideoDetail } {
  const told: Told[] = [];
  const refused: string[] = [];
  const state = (version: number, at: number[]): VideoDetail => ({ version, frames: 120, cut_distance_frames: 6, cuts: at.map((frame) => cut(frame)), clips_list: [] }) as unknown as VideoDetail;
  const editing = new Editing({
    tell: (wish) => {
      let end: (outcome: Outcome<CutsChanged>) => void = () => {};
      const outcome = new Promise<Outcome<CutsChanged>>((resolve) => (end = resolve));
      const settle = async (said: Outcome<CutsChanged>): Promise<void> => (end(said), void (await outcome), await Promise.resolve());
      told.push({
        wish,
        answer: (sequence, at) => settle({ kind: "done", answer: { sequence, cuts: at.map((frame) => cut(frame)) } as CutsChanged }),
        refuse: (why) => settle({ kind: "refused", problem: new Refused(409, { detail: why }) }),
      });
      return { key: String(told.length), outcome };
    },
    refuse: (_, why) => void refused.push(why),
    reload: () => {},
    who: () => "ada",
  });
  editing.take(state(5, frames));
  return { editing, told, refused, state };
}

describe("cuts on the line answer at once", () => {
  test("a cut that was just made is chosen, and removed by the next key", async () => {
    const { editing, told } = line([40]);

    editing.change({ operation: "add", frame: 10 });
    expect([framesOf(editing.cuts.value), editing.chosen.value]).toEqual([[10, 40], 10]);
    editing.change({ operation: "remove", frame: editing.chosen.value as number });
    expect([framesOf(editing.cuts.value), editing.chosen.value]).toEqual([[40], null]);

    await told[0]?.answer(6, [10, 40]);
    expect(framesOf(editing.cuts.value)).toEqual([40]);
    await told[1]?.answer(7, [40]);
    expect(framesOf(editing.cuts.value)).toEqual([40]);
  });

  test("a state from before it makes it neither go nor come back", async () => {
    const { editing, told, state } = line([40]);

    editing.change({ operation: "move", frame: 40, to: 50 });
    editing.take(state(5, [40]));
    expect(framesOf(editing.cuts.value)).toEqual([50]);
    editing.take(state(6, [40])); // some other fact of the video
    expect(framesOf(editing.cuts.value)).toEqual([50]);
    await told[0]?.answer(7, [50]);
    editing.take(state(6, [40]));

    expect([framesOf(editing.cuts.value), editing.chosen.value]).toEqual([[50], 50]);
  });

  test("a cut keeps the distance from its neighbours that the server demands", () => {
    const { editing } = line([40, 44, 80, 82, 88]);

    expect([44, 82, 88].map((frame) => editing.room(frame))).toEqual([[46, 74], [82, 82], [88, 114]]);
    editing.choose(44);
    editing.moveTo(79);
    expect(editing.to.value).toBe(74);
  });

  test("what is refused is taken back with the reason, and what was chosen before is chosen again", async () => {
    const { editing, told, refused } = line([40, 80]);
    editing.choose(80);

    editing.change({ operation: "add", frame: 41 });
    await told[0]?.refuse("too near");

    expect([framesOf(editing.cuts.value), editing.chosen.value, refused]).toEqual([[40, 80], 80, ["too near"]]);
  });

  test("but not if something else was chosen since", async () => {
    const { editing, told } = line([40, 80]);

    editing.change({ operation: "remove", frame: 40 });
    editing.choose(80);
    await told[0]?.refuse("a file already");

    expect([framesOf(editing.cuts.value), editing.chosen.value]).toEqual([[40, 80], 80]);
  });

  test("a refusal takes what hung on it out of one's hands", async () => {
    const { editing, told } = line([40]);

    editing.change({ operation: "add", frame: 10 });
    editing.change({ operation: "move", frame: 10, to: 12 });
    await told[0]?.refuse("too near");
    await told[1]?.refuse("there is no cut at frame 10");

    expect([framesOf(editing.cuts.value), editing.chosen.value]).toEqual([[40], null]);
  });

  test("an undo shows before its answer, and goes if it is refused", async () => {
    const { editing, told } = line([40]);
    editing.change({ operation: "move", frame: 40, to: 50 });
    await told[0]?.answer(6, [50]);

    let end: (outcome: Outcome<Turned>) => void = () => {};
    const outcome = new Promise<Outcome<Turned>>((resolve) => (end = resolve));
    editing.turn("undo", "1", outcome);
    expect([framesOf(editing.cuts.value), editing.chosen.value]).toEqual([[40], null]);
    end({ kind: "refused", problem: new Refused(409, {}) });
    await outcome.then(() => {});

    expect(framesOf(editing.cuts.value)).toEqual([50]);
  });

  test("before the line is there, and beyond its end, one looks at a frame that it has", () => {
    const { editing, state } = line([40]);
    const early = new Editing({ tell: () => ({ key: "", outcome: new Promise(() => {}) }), refuse: () => {}, reload: () => {}, who: () => null });

    early.look(-1);
    expect(early.at.value).toBe(0);
    early.at.value = 1_000_000;
    early.take(state(1, [40]));

    expect(early.at.value).toBe(editing.frames.value - 1);
  });

  test("a moved cut stays between its neighbours, those that are on their way too", () => {
    const { editing } = line([40, 80]);

    editing.change({ operation: "add", frame: 50 });
    editing.choose(40);
    editing.move(30);

    expect(editing.to.value).toBe(44);
  });
});

describe("keys that follow a cut mean what comes of it", () => {
  const keys = (): { cutting: Cutting; did: string[]; dropped: number[]; trouble: Signal<string | null> } => {
    const did: string[] = [];
    const dropped: number[] = [];
    const trouble = signal<string | null>(null);
    return { cutting: new Cutting(trouble, (count) => void dropped.push(count)), did, dropped, trouble };
  };

  test("they wait for its answer, in order, and for the answer of a cut among them", () => {
    const { cutting, did } = keys();
    const first = cutting.begin(() => {});
    let second: (done: boolean) => void = () => {};
    cutting.after(() => void did.push("skip"));
    cutting.after(() => (second = cutting.begin(() => {})));
    cutting.after(() => void did.push("approve"));

    expect(did).toEqual([]);
    first(true);
    expect(did).toEqual(["skip"]);
    second(true);

    expect(did).toEqual(["skip", "approve"]);
  });

  test("if it is refused they judge nothing, and that is said", () => {
    const { cutting, did, dropped } = keys();
    const first = cutting.begin(() => {});
    cutting.after(() => void did.push("skip"));

    first(false);
    cutting.after(() => void did.push("archive"));

    expect([did, dropped]).toEqual([["archive"], [1]]);
  });

  test("while the server cannot be reached nothing waits", () => {
    const { cutting, did, trouble } = keys();
    const aside: number[] = [];
    const first = cutting.begin(() => void aside.push(1));
    cutting.after(() => void did.push("skip"));

    trouble.value = "no network";
    cutting.begin(() => void aside.push(2));
    cutting.after(() => void did.push("archive"));
    first(true);

    expect([did, aside]).toEqual([["archive"], [1, 2]]);
  });
});
