// The one outbox of this page, and what everybody sees of it.

import { address, get } from "../api/client";
import { Outbox, wishesIn, type Outcome, type Wish } from "../api/outbox";
import { me } from "./me";
import { setBusy } from "../lib/hurry";
import { say } from "./toasts";
import { live, onLive, reconnect } from "./live";

const TAB = "heaters.tab";
const PREFIX = "heaters.outbox.";
const ALIVE_MS = 5000;
/** The timers of a tab that nobody looks at run once a minute. */
const GONE_MS = 70_000;

/** A name that a reload keeps, and no other tab shares: one that is duplicated begins with a copy of what this one keeps, so it lies there only
 * from the end of a page to the beginning of the next. */
function tabName(): string {
  try {
    const name = sessionStorage.getItem(TAB) ?? Math.random().toString(36).slice(2);
    sessionStorage.removeItem(TAB);
    addEventListener("pagehide", () => sessionStorage.setItem(TAB, name));
    return name;
  } catch {
    return "tab";
  }
}

const name = tabName();

/** What tabs left behind that are gone for good: it is sent by this one. */
function left(): Wish[] {
  const found: Wish[] = [];
  try {
    for (const key of Object.keys(localStorage)) {
      if (!key.startsWith(PREFIX) || key === PREFIX + name || key.endsWith(".alive")) continue;
      if (Date.now() - Number(localStorage.getItem(`${key}.alive`) ?? 0) < GONE_MS) continue;
      found.push(...wishesIn(() => localStorage.getItem(key)));
      localStorage.removeItem(key);
      localStorage.removeItem(`${key}.alive`);
    }
  } catch {
    // Without storage there is nothing to adopt.
  }
  return found;
}

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

outbox.adopt(left());
setInterval(() => {
  beat();
  outbox.adopt(left());
}, ALIVE_MS);
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
