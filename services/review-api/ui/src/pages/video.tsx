// One video: what happened to it and when, what it is made of, what did not work, and how to have a stage do its work again.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { get, newKey, send } from "../api/client";
import type { Clip, Facts, VideoDetail, VideoEvent } from "../api/types";
import { bytes, clock, milliseconds, spell, when } from "../lib/time";
import { Button, Frame, Notice, stateOf } from "../parts/bits";
import { Exporting } from "../parts/exporting";
import { Files } from "../parts/files";
import { Icon, type IconName } from "../parts/icons";
import { Others } from "../parts/others";
import { onChanges, onLive } from "../state/live";
import { mayOperate } from "../state/me";
import { personOf } from "../state/people";
import { pathOf, route } from "../state/route";
import { say } from "../state/toasts";
import { refreshStages, stages } from "../state/videos";
import { framesOf } from "../state/words";
import { insteadOf, thawOf, wordOf } from "./pipeline/cells";
import { FailureLine, Instead } from "./pipeline/pipeline";

interface PlayerError {
  clip_id: string;
  by: string;
  at: string;
  cause: string;
  detail: string;
  times: number;
}

const SHOWN_FIRST = 200;
const SOON_MS = 400;

const SIGNS: readonly [RegExp, IconName][] = [
  [/failed|rejected/, "failed"],
  [/approved|exported|embedded|stored/, "approve"],
  [/skipped/, "skip"],
  [/archived/, "archive"],
  [/group/, "group"],
  [/cuts_changed/, "cut"],
  [/undone/, "undo"],
  [/redone/, "redo"],
  [/annotated/, "note"],
  [/requested/, "drop"],
];

const signOf = (type: string): IconName => SIGNS.find(([pattern]) => pattern.test(type))?.[1] ?? "clock";

export function VideoPage() {
  const id = route.value.id ?? "";
  const video = useSignal<VideoDetail | null>(null);
  const broken = useSignal<readonly PlayerError[]>([]);
  const problem = useSignal("");
  const shown = useSignal(SHOWN_FIRST);
  const exporting = useSignal(false);

  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | null = null;
    let turns = 0;
    const ask = async (): Promise<void> => {
      turns += 1;
      const turn = turns;
      try {
        const [one, errors] = await Promise.all([
          get<VideoDetail>(`/api/videos/${id}`),
          get<{ items: PlayerError[] }>(`/api/videos/${id}/player-errors`).catch(() => ({ items: [] })),
        ]);
        // The newest stand first, so all of them are asked for.
        let next = one.events_next;
        const events = [...one.events];
        while (next !== null && turn === turns) {
          const more: Facts = await get<Facts>(`/api/videos/${id}/facts`, { after: next, limit: 5000 });
          events.push(...more.items);
          next = more.next;
        }
        if (turn !== turns) return;
        video.value = { ...one, events };
        broken.value = errors.items;
        problem.value = "";
      } catch (error) {
        if (turn === turns && !video.value) problem.value = error instanceof Error ? error.message : String(error);
      }
    };
    video.value = null;
    void ask();
    void refreshStages();
    const stop = onChanges((changes) => {
      if (!changes.some((change) => change.video_id === id)) return;
      timer ??= setTimeout(() => {
        timer = null;
        void ask();
      }, SOON_MS);
    });
    // What happened while nobody listened.
    const back = onLive(() => video.peek() && void ask());
    return () => {
      turns = Infinity;
      stop();
      back();
      if (timer) clearTimeout(timer);
    };
  }, [id]);

  if (problem.value) {
    return (
      <main class="list-page">
        <Notice tone="failed" title="This video cannot be shown" action={<a class="button" href="/pipeline" data-page="pipeline">All videos</a>}>
          <p>{problem.value}</p>
        </Notice>
      </main>
    );
  }
  const one = video.value;
  if (!one) {
    return (
      <main class="list-page">
        <div class="blocks" aria-busy="true" aria-label="Loading the video" />
      </main>
    );
  }
  const instead = insteadOf(one);
  const thaw = thawOf(one);
  const events = [...one.events].reverse();
  const spans = new Map(one.clips_list.map((clip) => [clip.id, clip]));
  const length = one.duration_ticks !== null && one.time_base ? clock(milliseconds(one.duration_ticks, one.time_base)) : null;
  return (
    <main class="list-page video">
      <header class="video-head">
        {one.segments_done > 0 && <Frame video={one.id} frame={posterOf(one)} alt="" />}
        <div>
          <h1>{one.title ?? one.id}</h1>
          <p class="quiet">
            {instead ? <Instead said={instead} /> : wordOf(one, one.failures_list)}
            {length && ` · ${length}`}
            {one.frames !== null && ` · ${one.frames.toLocaleString("en")} frames`}
            {one.segments_total !== null && ` · ${one.segments_done} of ${one.segments_total} parts`}
          </p>
          {thaw && (
            <p class="quiet mark">
              <Icon name="clock" />
              {`Export ${thaw}, and goes on by itself.`}
            </p>
          )}
          <Others video={one.id} />
          <div class="row" hidden={one.clips_list.length === 0}>
            <a class="button" href={pathOf("review", one.id)} data-page="review">
              <Icon name="play" />
              Review
            </a>
            <a class="button" href={pathOf("timeline", one.id)} data-page="timeline">
              <Icon name="film" />
              Timeline
            </a>
            <a class="button" href={pathOf("grid", null, { video: one.id })} data-page="grid">
              <Icon name="stack" />
              Clips
            </a>
            <Button icon="drop" label="Export…" onPress={() => (exporting.value = true)} />
          </div>
        </div>
      </header>
      {exporting.value && <Exporting what={`All clips of ${one.title ?? "this video"}`} query={{ video: one.id }} onClose={() => (exporting.value = false)} />}
      <div class="two">
        <section aria-labelledby="story-title">
          {(one.failures_list.length > 0 || broken.value.length > 0) && (
            <div class="panel">
              {one.failures_list.map((failure) => (
                <div class="card" key={failure.id}>
                  <FailureLine failure={failure} />
                </div>
              ))}
              {broken.value.map((error) => (
                <div class="card" key={`${error.clip_id}${error.by}${error.cause}`} data-player-error={error.cause}>
                  <div class="failure">
                    <Icon name="failed" />
                    <span class="why">
                      <b>player ({error.cause}): </b>
                      {error.detail}
                    </span>
                    <span class="quiet">
                      {personOf(error.by)}, {when(error.at)}
                      {error.times > 1 && `, ${error.times} times`}
                    </span>
                  </div>
                </div>
              ))}
            </div>
          )}
          <Files clips={one.clips_list} />
          <h2 id="story-title">What happened</h2>
          <ol class="story">
            {events.slice(0, shown.value).map((event) => (
              <Told key={event.sequence} event={event} clip={spans.get(event.clip_id ?? "")} />
            ))}
          </ol>
          {events.length > shown.value && (
            <p class="more">
              <Button label={`Show more of ${events.length}`} icon="down" onPress={() => (shown.value += 500)} />
            </p>
          )}
        </section>
        <aside>
          <section class="panel">
            <div class="card">
              <h2>Clips</h2>
              <dl class="facts">
                {Object.entries(one.clips).map(([state, count]) => (
                  <div key={state}>
                    <dt>{stateOf(state as never).word}</dt>
                    <dd>{count}</dd>
                  </div>
                ))}
              </dl>
              {Object.keys(one.clips).length === 0 && <p class="quiet">None yet.</p>}
            </div>
            <div class="card">
              <h2>Work</h2>
              <dl class="facts">
                {Object.entries(one.stages).map(([stage, time]) => (
                  <div key={stage}>
                    <dt>{stage.replaceAll("_", " ")}</dt>
                    <dd>
                      {spell(time.seconds)} <span class="quiet">in {time.jobs === 1 ? "1 job" : `${time.jobs} jobs`}</span>
                    </dd>
                  </div>
                ))}
              </dl>
            </div>
            <Objects video={one} />
            <div class="card">
              <h2>Request</h2>
              <dl class="facts">
                <div>
                  <dt>by</dt>
                  <dd>{personOf(one.requester)}</dd>
                </div>
                <div>
                  <dt>lane</dt>
                  <dd>{one.lane}</dd>
                </div>
                <div>
                  <dt>id</dt>
                  <dd class="time">{one.id}</dd>
                </div>
              </dl>
            </div>
          </section>
          {mayOperate.value && <Replay video={one.id} />}
        </aside>
      </div>
    </main>
  );
}

/** The middle of the longest clip: the first frames of films are black. */
function posterOf(video: VideoDetail): number {
  const longest = video.clips_list.reduce<VideoDetail["clips_list"][number] | null>((best, clip) => (clip.frames > (best?.frames ?? 0) ? clip : best), null);
  return longest ? longest.start + (longest.frames >> 1) : 0;
}

function Told({ event, clip }: { event: VideoEvent; clip: Clip | undefined }) {
  const parts = [
    clip ? `frames ${framesOf(clip.start, clip.end)}` : "",
    event.segment !== null ? `part ${event.segment}` : "",
    event.by ? `by ${personOf(event.by)}` : "",
    event.attempt !== null && event.attempt > 1 ? `attempt ${event.attempt}` : "",
    event.note ?? "",
  ].filter(Boolean);
  const figures = [
    event.reused ? "reused" : "",
    event.seconds !== null ? spell(event.seconds) : "",
    event.written_bytes ? bytes(event.written_bytes) : "",
  ].filter(Boolean);
  return (
    <li data-fact={event.type}>
      <span class="time quiet" title={new Date(event.at).toISOString()}>
        {when(event.at)}
      </span>
      <span class="mark">
        <Icon name={signOf(event.type)} class={event.type.includes("failed") ? "bad" : "quiet"} />
        <span>
          {event.type.replace(/[._]/g, " ")} <span class="quiet">{parts.join(" · ")}</span>
        </span>
      </span>
      <span class="time quiet end">{figures.join(" · ")}</span>
    </li>
  );
}

/** What lies in the store because of this video. */
function Objects({ video }: { video: VideoDetail }) {
  if (!video.objects.length) return null;
  return (
    <div class="card">
      <h2>
        Objects <span class="time">{bytes(video.bytes)}</span>
      </h2>
      <ul class="objects" tabIndex={0} aria-label="Objects in the store">
        {video.objects.map((one) => (
          <li key={one.key} title={one.key}>
            <span class="what">
              {one.kind.replaceAll("_", " ")} {one.segment ?? ""}
            </span>
            <span class="time quiet">{bytes(one.bytes)}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}

function Replay({ video }: { video: string }) {
  const stage = useSignal("");
  const force = useSignal(false);
  const busy = useSignal(false);
  const names = stages.value.map((one) => one.stage);
  const from = stage.value || names[0] || "";
  return (
    <section class="panel">
      <div class="card">
        <h2>Do it again</h2>
        <label class="field">
          <span class="quiet">from</span>
          <select value={from} onChange={(event) => (stage.value = event.currentTarget.value)}>
            {names.map((name) => (
              <option key={name} value={name}>
                {name.replaceAll("_", " ")}
              </option>
            ))}
          </select>
        </label>
        <label class="field">
          <input type="checkbox" checked={force.value} onChange={(event) => (force.value = event.currentTarget.checked)} />
          even what is there already
        </label>
        <div class="row">
          <Button
            icon="retry"
            label="Replay"
            disabled={busy.value || !from}
            onPress={() => {
              busy.value = true;
              send("POST", `/api/videos/${video}/replay`, { from, force: force.value }, newKey())
                .then(
                  () => say("done", `Everything from ${from.replaceAll("_", " ")} on is done again.`),
                  (error: Error) => say("refused", error.message),
                )
                .finally(() => (busy.value = false));
            }}
          />
        </div>
      </div>
    </section>
  );
}
