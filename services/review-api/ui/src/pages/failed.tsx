// What stages gave up, grouped by stage and reason: one look at what is wrong, one press for all that failed alike.

import { computed, useComputed, useSignal } from "@preact/signals";
import { get, newKey, send } from "../api/client";
import type { Failure, FailureInFull, Failures } from "../api/types";
import { when } from "../lib/time";
import { Button, Notice } from "../parts/bits";
import { Icon } from "../parts/icons";
import { mayOperate } from "../state/me";
import { pathOf } from "../state/route";
import { say } from "../state/toasts";
import { failures, failuresInAll, refreshVideos, videos, videosProblem, videosState } from "../state/videos";

const AT_ONCE = 4;

/** Whether there are more failures than are here. */
const some = computed(() => failures.value.length < failuresInAll.value);

/** What makes two failures the same: the stage, and the reason without the values that differ. */
export function kindOf(failure: Failure): string {
  const reason = failure.reason
    .replace(/[0-9a-f]{8}-[0-9a-f-]{27,}/gi, "…")
    .replace(/[0-9a-f]{16,}/gi, "…")
    .replace(/\d+(\.\d+)?/g, "#");
  return `${failure.stage} ${reason}`;
}

export function FailedPage() {
  const groups = useComputed(() => {
    const found = new Map<string, Failure[]>();
    for (const failure of failures.value) found.set(kindOf(failure), [...(found.get(kindOf(failure)) ?? []), failure]);
    return [...found.values()].sort((a, b) => b.length - a.length);
  });
  if (videosState.value === "loading") return <main class="list-page"><div class="blocks" aria-busy="true" aria-label="Loading failures" /></main>;
  return (
    <main class="list-page failed">
      <header class="page-head">
        <h1>Failed</h1>
        {failures.value.length > 0 && (
          <span class="quiet">
            {some.value ? `the newest ${failures.value.length} of ${failuresInAll.value.toLocaleString("en")}` : failures.value.length} in {groups.value.length}{" "}
            {groups.value.length === 1 ? "kind" : "kinds"}
          </span>
        )}
      </header>
      {videosState.value === "failed" && (
        <Notice tone="failed" title="The failures cannot be read" action={<Button kind="solid" icon="retry" label="Try again" onPress={refreshVideos} />}>
          <p>{videosProblem.value}</p>
        </Notice>
      )}
      {videosState.value === "ready" && failures.value.length === 0 && (
        <Notice title="Nothing has failed">
          <p>What a stage gives up stands here with its reason and the message that failed, and can be tried again.</p>
        </Notice>
      )}
      {groups.value.map((group) => (
        <Group key={kindOf(group[0] as Failure)} failures={group} />
      ))}
    </main>
  );
}

/** All failures of the same kind as one, also those that are not here. */
async function allLike(one: Failure): Promise<Failure[]> {
  const found: Failure[] = [];
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page: Failures = await get<Failures>("/api/failures", { stage: one.stage, cursor });
    found.push(...page.items.filter((other) => kindOf(other) === kindOf(one)));
    cursor = page.next;
  }
  return found;
}

async function onAll(all: readonly Failure[], what: "retry" | "discard"): Promise<void> {
  let refused = "";
  const rest = [...all];
  const worker = async (): Promise<void> => {
    for (let one = rest.pop(); one; one = rest.pop()) {
      try {
        await send("POST", `/api/failures/${one.id}/${what}`, {}, newKey());
      } catch (error) {
        refused = error instanceof Error ? error.message : String(error);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  if (refused) say("refused", refused);
  else say("done", what === "retry" ? `${all.length} tried again.` : `${all.length} discarded.`);
  refreshVideos();
}

function Group({ failures: all }: { failures: readonly Failure[] }) {
  const first = all[0] as Failure;
  const busy = useSignal(false);
  const act = (what: "retry" | "discard") => (): void => {
    busy.value = true;
    void (some.value ? allLike(first) : Promise.resolve(all))
      .then((found) => onAll(found, what))
      .catch((error: Error) => say("failed", error.message))
      .finally(() => (busy.value = false));
  };
  return (
    <details class="fold" open={all.length === 1}>
      <summary>
        <Icon name="failed" class="bad" />
        <b>{first.stage.replaceAll("_", " ")}</b>
        <span class="why">{first.reason}</span>
        <span class="count">{some.value ? `${all.length} here` : all.length}</span>
        <Icon name="down" />
      </summary>
      <div class="fold-body">
        {mayOperate.value && first.stage !== "admission" && (all.length > 1 || some.value) && (
          <div class="row">
            <Button icon="retry" label={some.value ? "Retry all of this kind" : `Retry all ${all.length}`} disabled={busy.value} onPress={act("retry")} />
            <Button kind="quiet" label={some.value ? "Discard all of this kind" : "Discard all"} disabled={busy.value} onPress={act("discard")} />
          </div>
        )}
        {all.map((failure) => (
          <One key={failure.id} failure={failure} told={failure.reason === first.reason} />
        ))}
      </div>
    </details>
  );
}

function One({ failure, told }: { failure: Failure; told: boolean }) {
  const full = useSignal<FailureInFull | null>(null);
  const problem = useSignal("");
  const title = videos.value.find((video) => video.id === failure.video_id)?.title ?? failure.video_id.slice(0, 8);
  return (
    <div class="one-failure" data-failure={failure.id}>
      <div class="row">
        <a class="cell-link" href={pathOf("video", failure.video_id)} data-page="video">
          {title}
        </a>
        <span class="quiet">
          {when(failure.at)} · {failure.attempts} {failure.attempts === 1 ? "attempt" : "attempts"} · {failure.failure_class.replaceAll("_", " ")}
        </span>
        <span class="space" />
        {mayOperate.value && failure.stage !== "admission" && (
          <span class="row">
            <Button icon="retry" label="Retry" onPress={() => void onAll([failure], "retry")} />
            <Button kind="quiet" label="Discard" onPress={() => void onAll([failure], "discard")} />
          </span>
        )}
      </div>
      {!told && <p class="why">{failure.reason}</p>}
      {failure.stage !== "admission" && !full.value && (
        <div class="row">
          <Button
            kind="quiet"
            icon="down"
            label="The message that failed"
            onPress={() =>
              void get<FailureInFull>(`/api/failures/${failure.id}`).then(
                (said) => (full.value = said),
                (error: Error) => (problem.value = error.message),
              )
            }
          />
        </div>
      )}
      {problem.value && <p class="why">{problem.value}</p>}
      {full.value && (
        <>
          <p class="quiet">
            <span class="time">{full.value.message_subject}</span> · message {full.value.message_sequence}
            {full.value.trace_id && (
              <>
                {" "}
                · trace <span class="time">{full.value.trace_id}</span>
              </>
            )}
          </p>
          <pre tabIndex={0} aria-label="Payload">
            {typeof full.value.message === "string" ? full.value.message : JSON.stringify(full.value.message, null, 2)}
          </pre>
        </>
      )}
    </div>
  );
}
