// One verdict on many clips, undone as one.

import type { Grouped, SelectionDecided, Verdict } from "../api/types";
import { keepClips } from "./clips";
import { desk } from "./desk";
import { tell } from "./sending";
import { say } from "./toasts";
import { PAST } from "./words";

export const MOST = 1000;

/** Give one verdict on all of them. What is refused stays, and the reason is said. Returns which were decided. */
export async function decideAll(clips: readonly string[], verdict: Verdict): Promise<Set<string>> {
  if (clips.length > MOST) {
    say("refused", `${clips.length} clips are chosen; at most ${MOST} are decided at once.`);
    return new Set();
  }
  const what = clips.length === 1 ? "1 clip" : `${clips.length} clips`;
  const { key, outcome } = tell<SelectionDecided>("/api/selection/verdict", { clips, verdict }, `${PAST[verdict]} ${what}`);
  // At once: an undo that is pressed before the answer means this.
  desk.decidedElsewhere(key, verdict);
  const said = await outcome;
  if (said.kind === "refused") {
    desk.refusedElsewhere(key);
    say("refused", said.problem.message);
    return new Set();
  }
  keepClips(said.answer.clips);
  desk.gone(said.answer.clips);
  const refused = said.answer.refused;
  if (refused.length) say("refused", `${refused.length} of ${what} were left as they are: ${refused[0]?.reason ?? ""}`);
  else say("done", `${what} ${PAST[verdict]}.`, { label: "Undo", run: () => desk.undo() });
  const left = new Set(refused.map((one) => one.clip));
  return new Set(clips.filter((id) => !left.has(id)));
}

/** Put clips together as one group. */
export async function groupAll(clips: readonly string[]): Promise<boolean> {
  if (clips.length < 2) {
    say("refused", "A group has two clips or more: choose some first.");
    return false;
  }
  const { key, outcome } = tell<Grouped>("/api/groups", { clips }, `grouped ${clips.length} clips`);
  desk.decidedElsewhere(key, "group");
  const said = await outcome;
  if (said.kind === "refused") {
    desk.refusedElsewhere(key);
    say("refused", said.problem.message);
    return false;
  }
  keepClips(said.answer.clips);
  desk.gone(said.answer.clips);
  say("done", `${clips.length} clips are one group.`, { label: "Undo", run: () => desk.undo() });
  return true;
}
