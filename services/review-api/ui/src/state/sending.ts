// The one outbox of this page, and what everybody sees of it.

import { address, get } from "../api/client";
import { Outbox, type Outcome } from "../api/outbox";
import { me } from "./me";
import { setBusy } from "../lib/hurry";
import { say } from "./toasts";
import { live, onLive, reconnect } from "./live";

const TAB = "heaters.tab";
const PREFIX = "heaters.outbox.";
const ALIVE_MS = 5000;

/** A name that a reload keeps and another tab does not share. */
function tabName(): string {
  try {
    let name = sessionStorage.getItem(TAB);
    if (!name) {
      name = Math.random().toString(36).slice(2);
      sessionStorage.setItem(TAB, name);
    }
    return name;
  } catch {
    return "tab";
  }
}

const name = tabName();

/** What a tab left behind that is gone for good is sent by this one. */
function adopt(): void {
  try {
    for (const key of Object.keys(localStorage)) {
      if (!key.startsWith(PREFIX) || key === PREFIX + name || key.endsWith(".alive")) continue;
      const alive = Number(localStorage.getItem(`${key}.alive`) ?? 0);
      if (Date.now() - alive < 3 * ALIVE_MS) continue;
      const mine = JSON.parse(localStorage.getItem(PREFIX + name) ?? "[]") as unknown[];
      const left = JSON.parse(localStorage.getItem(key) ?? "[]") as unknown[];
      localStorage.setItem(PREFIX + name, JSON.stringify([...left, ...mine]));
      localStorage.removeItem(key);
      localStorage.removeItem(`${key}.alive`);
    }
  } catch {
    // Without storage there is nothing to adopt.
  }
}

adopt();

export const outbox = new Outbox(localStorage, PREFIX + name, (wish, outcome) => {
  if (outcome.kind === "refused") say("refused", `${wish.label}: ${outcome.problem.message}`);
}, undefined, () => me.value?.id ?? null);

function beat(): void {
  try {
    if (outbox.count.value) localStorage.setItem(`${PREFIX}${name}.alive`, String(Date.now()));
    else localStorage.removeItem(`${PREFIX}${name}.alive`);
  } catch {
    // See above.
  }
}

setInterval(beat, ALIVE_MS);
outbox.count.subscribe(beat);
outbox.count.subscribe((count) => setBusy(count > 0));
me.subscribe(() => outbox.nudge());
onLive(() => outbox.nudge());
addEventListener("online", () => outbox.nudge());
addEventListener("focus", () => {
  if (outbox.signedOut.value) void get(address("/api/me")).then(() => outbox.nudge(), () => {});
  if (live.value !== "live") reconnect();
});
addEventListener("beforeunload", (event) => {
  if (outbox.count.value > 0) event.preventDefault();
});

/** Tell the server, in order; what it answers, or why it refuses. */
export function tell<T>(path: string, body: Record<string, unknown>, label: string, more?: { of?: string | undefined; video?: string | undefined }): { key: string; outcome: Promise<Outcome<T>> } {
  return outbox.put<T>(path, body, label, more);
}
