// Clips that nobody approved but a rule that came with their request. Whoever reviews may take that back.

import { get } from "../api/client";
import type { Clip, DecisionList, Turned } from "../api/types";
import { tell } from "./sending";
import { say } from "./toasts";
import { clipText } from "./words";

export const RULE = "system:auto-approve";
const MOST = 500;

export const byRule = (clip: Clip): boolean => clip.decided_by === RULE && clip.verdict === "approve";

/** Take back what the rule approved: these clips wait for a verdict again. */
export async function takeBackRule(clips: readonly Clip[]): Promise<void> {
  let made: DecisionList["items"];
  try {
    const videos = [...new Set(clips.map((clip) => clip.video_id))];
    made = (await Promise.all(videos.map((video) => get<DecisionList>("/api/decisions", { by: RULE, video, limit: MOST })))).flatMap((one) => one.items);
  } catch (error) {
    say("failed", error instanceof Error ? error.message : String(error));
    return;
  }
  let done = 0;
  const outcomes = clips.map(async (clip) => {
    const found = made.find(({ stands, spans: [span] }) => stands && span?.video_id === clip.video_id && span.start === clip.start && span.end === clip.end);
    if (!found) {
      say("refused", `The rule's approval of ${clipText(clip)} is not among its last ${MOST} of that video.`);
      return;
    }
    const said = await tell<Turned>("/api/undo", { decision: found.decision }, `took back ${clipText(clip)}`, { video: clip.video_id }).outcome;
    if (said.kind === "refused") say("refused", said.problem.message);
    else done += 1;
  });
  await Promise.all(outcomes);
  if (done) say("done", done === 1 ? "The clip waits for a verdict again." : `${done} clips wait for a verdict again.`);
}
