import { describe, expect, test, vi } from "vitest";
import { Refused, SignedOut, Unreachable } from "../src/api/client";
import { Outbox, type Wish } from "../src/api/outbox";

function shelf(): Storage & { kept: Map<string, string> } {
  const kept = new Map<string, string>();
  return {
    kept,
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key),
  } as unknown as Storage & { kept: Map<string, string> };
}

describe("what was decided is sent in order, under one key each, until it is answered", () => {
  test("one after another", async () => {
    const sent: string[] = [];
    const box = new Outbox(shelf(), "box", () => {}, async (wish) => void sent.push(wish.path));

    await Promise.all([box.put("/a", {}, "a").outcome, box.put("/b", {}, "b").outcome, box.put("/c", {}, "c").outcome]);

    expect(sent).toEqual(["/a", "/b", "/c"]);
    expect(box.count.value).toBe(0);
  });

  test("what is about different videos goes side by side, what is about one in order, and an undo after all", async () => {
    const sent: string[] = [];
    const answers = new Map<string, () => void>();
    const box = new Outbox(shelf(), "box", () => {}, (wish) => {
      sent.push(wish.path);
      return new Promise<void>((resolve) => answers.set(wish.path, resolve));
    });
    box.put("/1/a", {}, "", { video: "one" });
    box.put("/1/b", {}, "", { video: "one" });
    box.put("/2/a", {}, "", { video: "two" });
    const undo = box.put("/undo", {}, "");
    box.put("/2/b", {}, "", { video: "two" });

    expect(sent).toEqual(["/1/a", "/2/a"]);
    answers.get("/1/a")?.();
    await vi.waitFor(() => expect(sent).toEqual(["/1/a", "/2/a", "/1/b"]));
    answers.get("/2/a")?.();
    await Promise.resolve();
    expect(sent).not.toContain("/undo");
    answers.get("/1/b")?.();
    await vi.waitFor(() => expect(sent.at(-1)).toBe("/undo"));
    expect(sent).not.toContain("/2/b");
    answers.get("/undo")?.();
    await undo.outcome;

    await vi.waitFor(() => expect(sent.at(-1)).toBe("/2/b"));
  });

  test("what somebody else has left behind is not sent in one's own name", async () => {
    const keeper = shelf();
    const theirs = new Outbox(keeper, "box", () => {}, () => new Promise(() => {}), () => "ada");
    theirs.put("/a", {}, "a");
    const sent: string[] = [];
    let who: string | null = null;
    const box = new Outbox(keeper, "box", () => {}, async (wish) => void sent.push(wish.path), () => who);

    who = "bo";
    box.nudge();
    await box.put("/b", {}, "b").outcome;
    expect(sent).toEqual(["/b"]);
    expect(box.count.value).toBe(0);
    who = "ada";
    box.nudge();

    await vi.waitFor(() => expect(sent).toEqual(["/b", "/a"]));
  });

  test("a lost connection delays, and loses nothing", async () => {
    vi.useFakeTimers();
    const tried: Wish[] = [];
    let down = true;
    const box = new Outbox(shelf(), "box", () => {}, async (wish) => {
      tried.push(wish);
      if (down) throw new Unreachable("no network");
      return { ok: true };
    });
    const first = box.put("/a", {}, "a");
    const second = box.put("/b", {}, "b");

    await vi.advanceTimersByTimeAsync(3000);
    expect(box.count.value).toBe(2);
    expect(box.trouble.value).toBe("no network");
    down = false;
    box.nudge();
    await Promise.all([first.outcome, second.outcome]);

    expect(new Set(tried.filter((wish) => wish.path === "/a").map((wish) => wish.key))).toEqual(new Set([first.key]));
    expect(tried.at(-1)?.path).toBe("/b");
    vi.useRealTimers();
  });

  test("a refusal is told, and what follows goes on", async () => {
    const box = new Outbox(shelf(), "box", () => {}, async (wish) => {
      if (wish.path === "/a") throw new Refused(409, { detail: "It is no more.", rule: "clip_stands" });
      return { fine: true };
    });

    const [a, b] = await Promise.all([box.put("/a", {}, "a").outcome, box.put("/b", {}, "b").outcome]);

    expect(a.kind === "refused" && a.problem.rule).toBe("clip_stands");
    expect(b.kind).toBe("done");
  });

  test("an undo names the decision that it takes back, known by then", async () => {
    const bodies: Record<string, unknown>[] = [];
    const box = new Outbox(shelf(), "box", () => {}, async (wish) => {
      bodies.push(wish.body);
      return { decision: "d-1" };
    });
    const verdict = box.put("/verdict", { verdict: "skip" }, "skip");

    await box.put("/undo", {}, "undo", { of: verdict.key }).outcome;

    expect(bodies).toEqual([{ verdict: "skip" }, { decision: "d-1" }]);
  });

  test("an undo of what was refused takes back nothing else", async () => {
    const sent: string[] = [];
    const box = new Outbox(shelf(), "box", () => {}, async (wish) => {
      sent.push(wish.path);
      throw new Refused(409, { detail: "It is a file already." });
    });
    const cut = box.put("/cuts", {}, "cut");

    const undo = await box.put("/undo", {}, "undo", { of: cut.key }).outcome;

    expect(sent).toEqual(["/cuts"]);
    expect(undo.kind === "refused" && undo.problem.message).toContain("nothing to undo");
  });

  test("an undo takes back what it was pressed for, after a reload too", async () => {
    const keeper = shelf();
    const before = new Outbox(keeper, "box", () => {}, (wish) => (wish.path === "/undo" ? new Promise(() => {}) : Promise.resolve({ decision: "d-1" })));
    const verdict = before.put("/verdict", { verdict: "skip" }, "skip");
    before.put("/undo", {}, "undo", { of: verdict.key });
    await verdict.outcome;
    before.put("/undo", {}, "undo", { of: verdict.key });

    const bodies: Record<string, unknown>[] = [];
    const again = new Outbox(keeper, "box", () => {}, async (wish) => void bodies.push(wish.body));
    await vi.waitFor(() => expect(again.count.value).toBe(0));

    expect(bodies).toEqual([{ decision: "d-1" }, { decision: "d-1" }]);
  });

  test("an undo of what was refused takes back nothing else after a reload", async () => {
    const keeper = shelf();
    keeper.setItem("box", JSON.stringify([{ key: "u", path: "/undo", body: {}, of: "refused-before", label: "undo" }]));
    const sent: string[] = [];
    const told: string[] = [];

    const box = new Outbox(keeper, "box", (_, outcome) => void told.push(outcome.kind), async (wish) => void sent.push(wish.path));
    await vi.waitFor(() => expect(box.count.value).toBe(0));

    expect([sent, told]).toEqual([[], ["refused"]]);
  });

  test("what another one left behind is sent first, and once", async () => {
    const sent: string[] = [];
    let who: string | null = null;
    const box = new Outbox(shelf(), "box", () => {}, async (wish) => void sent.push(wish.path), () => who);
    const left = { key: "k", path: "/left", body: {}, by: "ada", label: "left" };
    box.adopt([left]);
    box.adopt([left]);

    who = "ada";
    await box.put("/own", {}, "own").outcome;

    expect(sent).toEqual(["/left", "/own"]);
  });

  test("what was decided before it was known who sits here is theirs", async () => {
    const keeper = shelf();
    const sent: string[] = [];
    let who: string | null = null;
    const box = new Outbox(keeper, "box", () => {}, () => new Promise(() => {}), () => who);
    box.put("/a", {}, "a");
    who = "ada";
    box.nudge();

    new Outbox(keeper, "box", () => {}, async (wish) => void sent.push(wish.path), () => "bo").nudge();
    await Promise.resolve();

    expect(sent).toEqual([]);
  });

  test("a fault of the server after a long time without a connection refuses nothing", async () => {
    vi.useFakeTimers();
    let tries = 0;
    const box = new Outbox(shelf(), "box", () => {}, async () => {
      tries += 1;
      if (tries < 9) throw new Unreachable("no network");
      if (tries < 13) throw new Refused(500, { detail: "The tables are locked." });
      return {};
    });
    const { outcome } = box.put("/a", {}, "a");

    await vi.advanceTimersByTimeAsync(120_000);

    expect([(await outcome).kind, tries]).toEqual(["done", 13]);
    vi.useRealTimers();
  });

  test("after a reload the same is sent under the same key", async () => {
    const keeper = shelf();
    const never = new Outbox(keeper, "box", () => {}, () => new Promise(() => {}));
    const { key } = never.put("/a", { verdict: "skip" }, "skip");
    const told: string[] = [];

    const again = new Outbox(keeper, "box", (wish) => void told.push(wish.label), async (wish) => wish.key);
    await vi.waitFor(() => expect(again.count.value).toBe(0));

    expect(key).toHaveLength(32);
    expect(told).toEqual(["skip"]);
    expect(keeper.kept.size).toBe(0);
  });

  test("signed out, nothing is sent until somebody is back", async () => {
    let out = true;
    let tries = 0;
    const box = new Outbox(shelf(), "box", () => {}, async () => {
      tries += 1;
      if (out) throw new SignedOut("who are you");
      return {};
    });
    const { outcome } = box.put("/a", {}, "a");

    await vi.waitFor(() => expect(box.signedOut.value).toBe(true));
    expect(tries).toBe(1);
    out = false;
    box.nudge();

    expect((await outcome).kind).toBe("done");
  });

  test("what storage holds that is no wish is left alone", () => {
    const keeper = shelf();
    keeper.setItem("box", '[1, {"key": 2}, null]');

    expect(new Outbox(keeper, "box", () => {}, async () => ({})).count.value).toBe(0);
  });
});
