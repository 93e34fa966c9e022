// One video as a line: pictures, how near each frame is to a cut, how loud it is, and the cuts as sliders.

import { batch, useComputed, useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { get } from "../../api/client";
import type { CutsChanged, FrameTimes, Storyboard, VideoDetail } from "../../api/types";
import type { CutWish } from "../../lib/cuts";
import { clock, milliseconds, timecode } from "../../lib/time";
import { clipAt, ticksAt, type Runs } from "../../lib/times";
import { clamped, ruled, zoomed, type View } from "../../lib/view";
import { Button, Notice } from "../../parts/bits";
import { Others } from "../../parts/others";
import { useActions, useKeysLater } from "../../state/actions";
import { desk } from "../../state/desk";
import { onChanges, onLive } from "../../state/live";
import { me } from "../../state/me";
import { go, pathOf, route } from "../../state/route";
import { tell } from "../../state/sending";
import { say } from "../../state/toasts";
import { videos } from "../../state/videos";
import { nameOf } from "../../state/words";
import type { Sheets, Waveform } from "./draw";
import { Editing } from "./editing";
import { Tracks } from "./tracks";
import { TwoUp } from "./two-up";

const SOON_MS = 500;
const LOOKED_MS = 150;
const MOST_CLIPS = 20_000;

interface Scores {
  start: number;
  end: number;
  values: string;
}

export function TimelinePage() {
  const id = route.value.id ?? videos.value.find((video) => Object.keys(video.clips).length > 0)?.id ?? null;
  if (!id) {
    return (
      <main class="timeline">
        <Notice title="No video is open for review yet" action={<a class="button solid" href="/pipeline" data-page="pipeline">To the pipeline</a>}>
          <p>The timeline of a video is here as soon as its first part is finished.</p>
        </Notice>
      </main>
    );
  }
  return <Timeline key={id} id={id} />;
}

function Timeline({ id }: { id: string }) {
  const problem = useSignal("");
  const sheets = useSignal<Sheets>([]);
  const bare = useSignal(false);
  const wave = useSignal<Waveform | null>(null);
  const scores = useSignal<Uint8Array | null>(null);
  const view = useSignal<View>({ from: 0, to: 1 });

  const load = async (): Promise<void> => {
    const parts = editing.video.peek()?.segments_done;
    try {
      const one = await get<VideoDetail>(`/api/videos/${id}`, { clips: MOST_CLIPS });
      batch(() => {
        const first = editing.video.peek() === null;
        editing.take(one);
        problem.value = "";
        if (first) view.value = { from: 0, to: Math.max(1, editing.frames.peek()) };
      });
      // These grow with the parts that are finished, and with nothing else.
      if (parts !== one.segments_done) await loadTracks();
    } catch (error) {
      if (!editing.video.peek()) problem.value = error instanceof Error ? error.message : String(error);
    }
  };
  const tracks = useRef(0);
  const loadTracks = async (): Promise<void> => {
    tracks.current += 1;
    const asked = tracks.current;
    const [board, loud, near] = await Promise.allSettled([
      get<Storyboard>(`/api/videos/${id}/storyboard`),
      get<Waveform>(`/api/videos/${id}/waveform`, { most: 4000 }),
      get<Scores>(`/api/videos/${id}/scores`),
    ]);
    // Those of fewer parts may come after those of more.
    if (asked !== tracks.current) return;
    if (board.status === "fulfilled") sheets.value = board.value.items;
    bare.value = sheets.value.length === 0;
    if (loud.status === "fulfilled") wave.value = loud.value;
    if (near.status === "fulfilled") scores.value = Uint8Array.from(atob(near.value.values), (letter) => letter.charCodeAt(0));
  };
  const editing = useMemo(() => {
    const made = new Editing({
      tell: (wish: CutWish) => {
        const told = tell<CutsChanged>(`/api/videos/${id}/cuts`, { ...wish }, `cut at frame ${wish.frame}`, { video: id });
        // At once: an undo that is pressed before the answer means this.
        desk.decidedElsewhere(told.key, "cut");
        return told;
      },
      refuse: (key, why) => {
        desk.refusedElsewhere(key);
        say("refused", why);
      },
      reload: () => void load(),
      who: () => me.peek()?.id ?? null,
    });
    made.at.value = Number(route.peek().query.get("frame") ?? 0) || 0;
    return made;
  }, []);
  const { at, chosen, to, cuts, frames } = editing;

  useEffect(() => {
    void load();
    let timer: ReturnType<typeof setTimeout> | null = null;
    const deaf = desk.onTurn((kind, of, outcome) => editing.turn(kind, of, outcome));
    const stop = onChanges((changes) => {
      if (!changes.some((change) => change.video_id === id && change.sequence > (editing.video.peek()?.version ?? 0))) return;
      timer ??= setTimeout(() => {
        timer = null;
        void load();
      }, SOON_MS);
    });
    // What happened while nobody listened.
    const back = onLive(() => editing.video.peek() && void load());
    return () => {
      stop();
      back();
      deaf();
      if (timer) clearTimeout(timer);
    };
  }, []);

  const look = (frame: number): void => editing.look(frame);
  const move = (by: number): void => editing.move(by);
  const commit = (): void => {
    const [from, now] = [chosen.value, to.value];
    if (from !== null && now !== null && now !== from) editing.change({ operation: "move", frame: from, to: now });
  };
  const add = (): void => editing.change({ operation: "add", frame: at.value });
  const onChosen = (operation: "remove" | "confirm"): void => {
    if (chosen.value === null) say("refused", "Choose a cut first, with [ or ].");
    else editing.change({ operation, frame: chosen.value });
  };
  const step = (direction: 1 | -1): void => {
    const all = cuts.value.map((cut) => cut.frame);
    const from = chosen.value ?? at.value;
    const next = direction === 1 ? all.find((frame) => frame > from) : all.findLast((frame) => frame < from);
    if (next === undefined) return;
    editing.choose(next);
    const { from: low, to: high } = view.value;
    if (next < low || next > high) view.value = clamped({ from: next - (high - low) / 2, to: next + (high - low) / 2 }, frames.value);
  };
  const zoom = (by: number, around: number = at.value): void => {
    view.value = zoomed(view.value, by, around, frames.value);
  };

  useActions({
    frame_back: () => look(at.value - 1),
    frame_forth: () => look(at.value + 1),
    ten_back: () => look(at.value - 10),
    ten_forth: () => look(at.value + 10),
    first: () => look(0),
    last: () => look(frames.value - 1),
    cut_add: add,
    cut_remove: () => onChosen("remove"),
    cut_confirm: () => onChosen("confirm"),
    cut_previous: () => step(-1),
    cut_next: () => step(1),
    cut_back: () => move(-1),
    cut_forth: () => move(1),
    cut_ten_back: () => move(-10),
    cut_ten_forth: () => move(10),
    commit,
    cancel: () => editing.choose(null),
    zoom_in: () => zoom(0.5),
    zoom_out: () => zoom(2),
  });
  const clips = useComputed(() => (editing.video.value?.clips_list ?? []).filter((clip) => clip.state !== "superseded").sort((a, b) => a.start - b.start));
  const runs = useSignal<ReadonlyMap<string, Runs>>(new Map());
  const told = [to.value ?? at.value, ...ruled(view.value)].flatMap((frame) => clipAt(clips.value, frame)?.id ?? []);
  useEffect(() => {
    const timer = setTimeout(() => {
      for (const clip of new Set(told)) {
        if (runs.peek().has(clip)) continue;
        get<FrameTimes>(`/api/clips/${clip}/timing`).then(
          (said) => (runs.value = new Map(runs.peek()).set(clip, said.runs)),
          () => {}, // As good as known, then.
        );
      }
    }, LOOKED_MS);
    return () => clearTimeout(timer);
  }, [told.join()]);
  useKeysLater(!editing.video.value && !problem.value, () => editing.video.peek() !== null);

  if (problem.value) {
    return (
      <main class="timeline">
        <Notice tone="failed" title="This video cannot be shown" action={<a class="button" href="/pipeline" data-page="pipeline">All videos</a>}>
          <p>{problem.value}</p>
        </Notice>
      </main>
    );
  }
  const one = editing.video.value;
  if (!one) return <main class="timeline"><div class="blocks" aria-busy="true" aria-label="Loading the timeline" /></main>;
  if (!frames.value) {
    return (
      <main class="timeline">
        <Notice title="Nothing to show yet" action={<a class="button" href={pathOf("video", id)} data-page="video">What happened to it</a>}>
          <p>{nameOf({ title: one.title, video_id: id })} is {one.state.replaceAll("_", " ")}.</p>
        </Notice>
      </main>
    );
  }
  const cut = cuts.value.find((each) => each.frame === chosen.value) ?? null;
  const timeOf = (frame: number): string => {
    const clip = clipAt(clips.value, frame);
    const ticks = clip && ticksAt(clip, frame, runs.value.get(clip.id));
    return ticks !== null && one.time_base ? timecode(milliseconds(ticks, one.time_base)) : "";
  };
  return (
    <main class="timeline" aria-label="Timeline">
      <header class="page-head">
        <label class="field title-field">
          <select aria-label="Video" value={id} onChange={(event) => go(pathOf("timeline", event.currentTarget.value))}>
            {!videos.value.some((each) => each.id === id) && <option value={id}>{one.title ?? id}</option>}
            {videos.value.map((each) => (
              <option key={each.id} value={each.id}>
                {each.title ?? each.id.slice(0, 8)}
              </option>
            ))}
          </select>
        </label>
        <span class="quiet">
          {one.duration_ticks !== null && one.time_base && `${clock(milliseconds(one.duration_ticks, one.time_base))} · `}
          {frames.value.toLocaleString("en")} frames · {cuts.value.length} cuts · {clips.value.length} clips
          {bare.value && " · no storyboard: look at frames one at a time"}
        </span>
        <Others video={id} />
        <span class="space" />
        <a class="button" href={pathOf("review", id)} data-page="review">
          Review this video
        </a>
        <span class="row">
          <Button kind="icon" icon="minus" label="Zoom out" action="zoom_out" onPress={() => zoom(2)} />
          <Button kind="icon" icon="plus" label="Zoom in" action="zoom_in" onPress={() => zoom(0.5)} />
          <Button label="Whole video" onPress={() => (view.value = { from: 0, to: frames.value })} />
        </span>
      </header>
      <TwoUp video={id} frame={to.value ?? at.value} cut={cut} frames={frames.value} timeOf={timeOf} moved={chosen.value !== null && to.value !== chosen.value} onCommit={commit} onChange={onChosen} onAdd={add} />
      <Tracks view={view} sheets={sheets.value} wave={wave.value} scores={scores.value} clips={one.clips_list} editing={editing} onCommit={commit} timeOf={timeOf} />
    </main>
  );
}
