// The clips of a video that were approved: by whom, what became of each, its file; what a rule approved can be taken back.

import { useSignal } from "@preact/signals";
import { downloadAddress } from "../api/client";
import type { Clip } from "../api/types";
import { lengthText } from "../lib/time";
import { mayReview } from "../state/me";
import { personOf } from "../state/people";
import { byRule, takeBackRule } from "../state/rule";
import { framesOf } from "../state/words";
import { Button, StateMark } from "./bits";
import { Icon } from "./icons";

const SHOWN_FIRST = 50;

export function Files({ clips }: { clips: readonly Clip[] }) {
  const shown = useSignal(SHOWN_FIRST);
  const approved = clips.filter((clip) => clip.verdict === "approve" && clip.state !== "superseded");
  const ruled = approved.filter(byRule);
  if (!approved.length) return null;
  return (
    <section class="files" aria-labelledby="files-title">
      <div class="row">
        <h2 id="files-title">Approved</h2>
        <span class="space" />
        {ruled.length > 1 && mayReview.value && <Button icon="undo" label={`Take back all ${ruled.length} of the rule`} onPress={() => void takeBackRule(ruled)} />}
      </div>
      <ul>
        {approved.slice(0, shown.value).map((clip) => (
          <li key={clip.id} data-clip={clip.id}>
            <span class="time">
              {framesOf(clip.start, clip.end)} <span class="quiet">{lengthText(clip)}</span>
            </span>
            <StateMark state={clip.state} />
            <span class="quiet mark">
              {byRule(clip) && <Icon name="rule" />}
              by {clip.decided_by ? personOf(clip.decided_by) : "somebody"}
            </span>
            <span class="row end">
              {byRule(clip) && mayReview.value && <Button kind="quiet" icon="undo" label="Take back" onPress={() => void takeBackRule([clip])} />}
              {clip.object && (
                <a class="button quiet" href={downloadAddress(clip.id)} download>
                  <Icon name="drop" />
                  Download
                </a>
              )}
            </span>
          </li>
        ))}
      </ul>
      {approved.length > shown.value && (
        <p class="more">
          <Button label={`Show all ${approved.length}`} icon="down" onPress={() => (shown.value = approved.length)} />
        </p>
      )}
    </section>
  );
}
