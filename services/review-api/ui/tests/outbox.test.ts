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

    await box.put("/undo", {}, "undo", verdict.key).outcome;

    expect(bodies).toEqual([{ verdict: "skip" }, { decision: "d-1" }]);
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
