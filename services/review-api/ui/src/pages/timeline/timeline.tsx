// One video as a line: pictures, how near each frame is to a cut, how loud it is, and the cuts as sliders.

import { batch, useComputed, useSignal, type Signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { get } from "../../api/client";
import type { Clip, Cut, CutsChanged, Storyboard, VideoDetail } from "../../api/types";
import { clock, milliseconds, timecode } from "../../lib/time";
import { clamped, frameAt, shownCuts, xOf, zoomed, type View } from "../../lib/view";
import { Button, Frame, Notice, stateOf } from "../../parts/bits";
import { useActions } from "../../state/actions";
import { desk, nameOf } from "../../state/desk";
import { onChanges } from "../../state/live";
import { personOf } from "../../state/people";
import { go, pathOf, route } from "../../state/route";
import { tell } from "../../state/sending";
import { say } from "../../state/toasts";
import { videos } from "../../state/videos";
import { drawCurve, drawFilm, drawWave, type Sheets } from "./draw";

const FILM_PX = 64;
const CURVE_PX = 56;
const WAVE_PX = 48;
const MOST_SLIDERS = 400;
const SOON_MS = 500;
const MOST_CLIPS = 20_000;

interface Waveform {
  start: number;
  end: number;
  frames_per_peak: number;
  peaks: (number | null)[];
}

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
  const video = useSignal<VideoDetail | null>(null);
  const problem = useSignal("");
  const sheets = useSignal<Sheets>([]);
  const bare = useSignal(false);
  const wave = useSignal<Waveform | null>(null);
  const scores = useSignal<Uint8Array | null>(null);
  const view = useSignal<View>({ from: 0, to: 1 });
  const at = useSignal(Number(route.value.query.get("frame") ?? 0) || 0);
  const chosen = useSignal<number | null>(null);
  const to = useSignal<number | null>(null);
  const frames = useComputed(() => video.value?.frames ?? video.value?.clips_list.at(-1)?.end ?? 0);
  const cuts = useComputed(() => video.value?.cuts ?? []);

  const load = async (first: boolean): Promise<void> => {
    try {
      const one = await get<VideoDetail>(`/api/videos/${id}`, { clips: MOST_CLIPS });
      batch(() => {
        video.value = one;
        if (first) view.value = { from: 0, to: Math.max(1, one.frames ?? one.clips_list.at(-1)?.end ?? 1) };
      });
      const [board, loud, near] = await Promise.allSettled([
        get<Storyboard>(`/api/videos/${id}/storyboard`),
        get<Waveform>(`/api/videos/${id}/waveform`, { most: 4000 }),
        get<Scores>(`/api/videos/${id}/scores`),
      ]);
      if (board.status === "fulfilled") sheets.value = board.value.items;
      bare.value = sheets.value.length === 0;
      if (loud.status === "fulfilled") wave.value = loud.value;
      if (near.status === "fulfilled") scores.value = Uint8Array.from(atob(near.value.values), (letter) => letter.charCodeAt(0));
    } catch (error) {
      if (first) problem.value = error instanceof Error ? error.message : String(error);
    }
  };

  useEffect(() => {
    void load(true);
    let timer: ReturnType<typeof setTimeout> | null = null;
    const stop = onChanges((changes) => {
      if (!changes.some((change) => change.video_id === id)) return;
      timer ??= setTimeout(() => {
        timer = null;
        void load(false);
      }, SOON_MS);
    });
    return () => {
      stop();
      if (timer) clearTimeout(timer);
    };
  }, [id]);

  const look = (frame: number): void => {
    at.value = Math.min(frames.value - 1, Math.max(0, frame));
  };
  const room = (frame: number): [number, number] => {
    const all = cuts.value.map((cut) => cut.frame);
    const n = all.indexOf(frame);
    return [(all[n - 1] ?? 0) + 1, (all[n + 1] ?? frames.value) - 1];
  };
  const choose = (frame: number | null): void =>
    batch(() => {
      chosen.value = frame;
      to.value = frame;
      if (frame !== null) at.value = frame;
    });
  const move = (by: number): void => {
    if (chosen.value === null) return;
    const [low, high] = room(chosen.value);
    to.value = Math.min(high, Math.max(low, (to.value ?? chosen.value) + by));
    at.value = to.value;
  };
  const change = async (wish: { operation: "add" | "remove" | "move" | "confirm"; frame: number; to?: number }): Promise<void> => {
    const { key, outcome } = tell<CutsChanged>(`/api/videos/${id}/cuts`, wish, `cut at frame ${wish.frame}`, { video: id });
    const said = await outcome;
    if (said.kind === "refused") {
      say("refused", said.problem.message);
      to.value = chosen.value;
      return;
    }
    desk.decidedElsewhere(key, "cut");
    if (video.value) video.value = { ...video.value, cuts: said.answer.cuts };
    choose(wish.operation === "remove" || wish.operation === "confirm" ? null : (wish.to ?? wish.frame));
    void load(false);
  };
  const commit = (): void => {
    const [from, now] = [chosen.value, to.value];
    if (from !== null && now !== null && now !== from) void change({ operation: "move", frame: from, to: now });
  };
  const step = (direction: 1 | -1): void => {
    const all = cuts.value.map((cut) => cut.frame);
    const from = chosen.value ?? at.value;
    const next = direction === 1 ? all.find((frame) => frame > from) : all.findLast((frame) => frame < from);
    if (next === undefined) return;
    choose(next);
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
    cut_add: () => void change({ operation: "add", frame: at.value }),
    cut_remove: () => (chosen.value === null ? say("refused", "Choose a cut first, with [ or ].") : void change({ operation: "remove", frame: chosen.value })),
    cut_confirm: () => (chosen.value === null ? say("refused", "Choose a cut first, with [ or ].") : void change({ operation: "confirm", frame: chosen.value })),
    cut_previous: () => step(-1),
    cut_next: () => step(1),
    cut_back: () => move(-1),
    cut_forth: () => move(1),
    cut_ten_back: () => move(-10),
    cut_ten_forth: () => move(10),
    commit,
    cancel: () => choose(null),
    zoom_in: () => zoom(0.5),
    zoom_out: () => zoom(2),
  });

  if (problem.value) {
    return (
      <main class="timeline">
        <Notice tone="failed" title="This video cannot be shown" action={<a class="button" href="/pipeline" data-page="pipeline">All videos</a>}>
          <p>{problem.value}</p>
        </Notice>
      </main>
    );
  }
  const one = video.value;
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
  const per = one.duration_ticks !== null && one.time_base && one.frames ? one.duration_ticks / one.frames : null;
  const timeOf = (frame: number): string => (per !== null && one.time_base ? timecode(milliseconds(Math.round(frame * per), one.time_base)) : "");
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
          {frames.value.toLocaleString("en")} frames · {cuts.value.length} cuts · {one.clips_list.filter((clip) => clip.state !== "superseded").length} clips
          {bare.value && " · no storyboard: look at frames one at a time"}
        </span>
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
      <TwoUp video={id} frame={to.value ?? at.value} cut={cut} frames={frames.value} timeOf={timeOf} moved={chosen.value !== null && to.value !== chosen.value} onCommit={commit} onChange={(operation) => chosen.value !== null && void change({ operation, frame: chosen.value })} onAdd={() => void change({ operation: "add", frame: at.value })} />
      <Tracks
        frames={frames.value}
        view={view}
        at={at}
        sheets={sheets.value}
        wave={wave.value}
        scores={scores.value}
        cuts={cuts.value}
        clips={one.clips_list}
        chosen={chosen}
        to={to}
        room={room}
        onChoose={choose}
        onCommit={commit}
        onLook={look}
        onMove={move}
        timeOf={timeOf}
      />
    </main>
  );
}

interface TwoUpProps {
  video: string;
  frame: number;
  frames: number;
  cut: Cut | null;
  moved: boolean;
  timeOf: (frame: number) => string;
  onCommit: () => void;
  onChange: (operation: "remove" | "confirm") => void;
  onAdd: () => void;
}

/** The last frame before and the first frame after: of the chosen cut, or of where one looks. */
function TwoUp({ video, frame, frames, cut, moved, timeOf, onCommit, onChange, onAdd }: TwoUpProps) {
  const first = Math.max(0, frame - 1);
  return (
    <section class="two-up" aria-label={cut ? "The frames beside the chosen cut" : "The frames beside this place"} data-chosen={cut !== null}>
      <figure>
        <Frame video={video} frame={first} alt={`frame ${first}`} />
        <figcaption class="time">
          {cut ? "last before" : "before"} <b>{first}</b>
        </figcaption>
      </figure>
      <figure>
        <Frame video={video} frame={Math.min(frames - 1, frame)} alt={`frame ${frame}`} />
        <figcaption class="time">
          {cut ? "first after" : "here"} <b>{frame}</b> <span class="quiet">{timeOf(frame)}</span>
        </figcaption>
      </figure>
      <div class="two-up-side">
        {cut ? (
          <>
            <h2>
              {cut.kind} cut, {cut.confidence.toFixed(2)}
            </h2>
            <p class="quiet">{cut.by ? `set or confirmed by ${personOf(cut.by)}` : "as the detector found it"}</p>
            <div class="row">
              <Button kind="solid" label="Commit" action="commit" disabled={!moved} onPress={onCommit} />
              <Button label="Right as it is" action="cut_confirm" onPress={() => onChange("confirm")} />
              <Button label="Remove" action="cut_remove" onPress={() => onChange("remove")} />
            </div>
          </>
        ) : (
          <>
            <h2>No cut is chosen</h2>
            <p class="quiet">Press one, or go through them with [ and ]. Arrows look frame by frame.</p>
            <div class="row">
              <Button icon="cut" label="Cut here" action="cut_add" onPress={onAdd} />
            </div>
          </>
        )}
      </div>
    </section>
  );
}

interface TracksProps {
  frames: number;
  view: Signal<View>;
  at: Signal<number>;
  sheets: Sheets;
  wave: Waveform | null;
  scores: Uint8Array | null;
  cuts: readonly Cut[];
  clips: readonly Clip[];
  chosen: Signal<number | null>;
  to: Signal<number | null>;
  room: (frame: number) => [number, number];
  onChoose: (frame: number | null) => void;
  onCommit: () => void;
  onLook: (frame: number) => void;
  onMove: (by: number) => void;
  timeOf: (frame: number) => string;
}

function Tracks({ frames, view, at, sheets, wave, scores, cuts, clips, chosen, to, room, onChoose, onCommit, onLook, onMove, timeOf }: TracksProps) {
  const box = useRef<HTMLDivElement>(null);
  const width = useSignal(0);
  const film = useRef<HTMLCanvasElement>(null);
  const curve = useRef<HTMLCanvasElement>(null);
  const loud = useRef<HTMLCanvasElement>(null);
  const drag = useRef<{ kind: "pan" | "cut"; x: number; view: View; frame: number } | null>(null);

  useLayoutEffect(() => {
    const element = box.current as HTMLDivElement;
    const observer = new ResizeObserver(() => (width.value = element.clientWidth));
    observer.observe(element);
    width.value = element.clientWidth;
    const wheel = (event: WheelEvent): void => {
      const x = event.clientX - element.getBoundingClientRect().left;
      if (event.ctrlKey || event.metaKey) {
        event.preventDefault();
        view.value = zoomed(view.value, event.deltaY > 0 ? 1.25 : 0.8, frameAt(view.value, x, element.clientWidth), frames);
      } else if (event.deltaX || event.shiftKey) {
        event.preventDefault();
        const by = ((event.deltaX || event.deltaY) / element.clientWidth) * (view.value.to - view.value.from);
        view.value = clamped({ from: view.value.from + by, to: view.value.to + by }, frames);
      }
    };
    element.addEventListener("wheel", wheel, { passive: false });
    return () => {
      observer.disconnect();
      element.removeEventListener("wheel", wheel);
    };
  }, [frames]);

  useEffect(() => {
    const style = getComputedStyle(document.documentElement);
    const colour = (name: string): string => style.getPropertyValue(name).trim();
    const tones = { line: colour("--line"), text: colour("--text"), quiet: colour("--quiet"), accent: colour("--accent"), doubt: colour("--archive") };
    if (film.current) drawFilm(film.current, width.value, FILM_PX, view.value, sheets, tones);
    if (curve.current) drawCurve(curve.current, width.value, CURVE_PX, view.value, scores, tones);
    if (loud.current) drawWave(loud.current, width.value, WAVE_PX, view.value, wave, tones);
  }, [width.value, view.value, sheets, scores, wave, document.documentElement.dataset["theme"]]);

  const x = (frame: number): number => xOf(view.value, frame, width.value);
  const shown = shownCuts(cuts, view.value, MOST_SLIDERS);
  return (
    <div
      class="tracks"
      ref={box}
      onPointerDown={(event) => {
        const rect = event.currentTarget.getBoundingClientRect();
        const slider = (event.target as Element).closest<HTMLElement>("[data-cut]");
        const frame = Math.round(frameAt(view.value, event.clientX - rect.left, rect.width));
        if (slider) {
          onChoose(Number(slider.dataset["cut"]));
          slider.focus();
          drag.current = { kind: "cut", x: event.clientX, view: view.value, frame: Number(slider.dataset["cut"]) };
        } else {
          drag.current = { kind: "pan", x: event.clientX, view: view.value, frame };
        }
        event.currentTarget.setPointerCapture(event.pointerId);
        event.preventDefault();
      }}
      onPointerMove={(event) => {
        const from = drag.current;
        if (!from) return;
        const per = (from.view.to - from.view.from) / Math.max(1, width.value);
        const by = (event.clientX - from.x) * per;
        if (from.kind === "cut") {
          const [low, high] = room(from.frame);
          to.value = Math.min(high, Math.max(low, from.frame + Math.round(by)));
          at.value = to.value;
        } else if (Math.abs(event.clientX - from.x) > 3) {
          view.value = clamped({ from: from.view.from - by, to: from.view.to - by }, frames);
        }
      }}
      onPointerUp={(event) => {
        const from = drag.current;
        drag.current = null;
        if (!from) return;
        if (from.kind === "cut") onCommit();
        else if (Math.abs(event.clientX - from.x) <= 3) {
          onChoose(null);
          onLook(Math.max(0, Math.min(frames - 1, Math.floor(frameAt(view.value, event.clientX - event.currentTarget.getBoundingClientRect().left, width.value)))));
        }
      }}
      onPointerCancel={() => (drag.current = null)}
    >
      <canvas ref={film} class="track" role="img" aria-label="Pictures of the video" />
      <div class="track-box">
        <canvas ref={curve} class="track" role="img" aria-label="How near each frame is to a cut, as the detector saw it" />
        {!scores && <span class="track-note">no scores yet</span>}
        <span class="track-name">confidence</span>
      </div>
      <div class="track-box">
        <canvas ref={loud} class="track" role="img" aria-label="How loud the video is" />
        {wave && wave.peaks.every((peak) => peak === null) && <span class="track-note">no sound</span>}
        <span class="track-name">sound</span>
      </div>
      <div class="clips-track">
        {clips
          .filter((clip) => clip.state !== "superseded" && clip.end > view.value.from && clip.start < view.value.to && x(clip.end) - x(clip.start) >= 1)
          .slice(0, MOST_SLIDERS)
          .map((clip) => {
            const { word, tone } = stateOf(clip.state);
            return (
              <span key={clip.id} class="clip-span" data-tone={tone} title={`${clip.start}–${clip.end - 1}, ${word}`} style={{ left: `${x(clip.start)}px`, width: `${Math.max(1, x(clip.end) - x(clip.start) - 1)}px` }}>
                {x(clip.end) - x(clip.start) > 64 && word}
              </span>
            );
          })}
      </div>
      {shown.map((cut, n) => {
        const mine = chosen.value === cut.frame;
        const frame = mine ? (to.value ?? cut.frame) : cut.frame;
        const [low, high] = mine ? room(cut.frame) : [0, frames];
        return (
          <span
            key={cut.frame}
            class="cut"
            data-cut={cut.frame}
            data-chosen={mine}
            data-doubt={cut.confidence < 0.6 && !cut.by}
            role="slider"
            tabIndex={0}
            aria-label={`cut ${n + 1}`}
            aria-valuenow={frame}
            aria-valuemin={low}
            aria-valuemax={high}
            aria-valuetext={`frame ${frame}, ${timeOf(frame)}`}
            style={{ left: `${x(frame)}px` }}
            onFocus={() => chosen.value !== cut.frame && onChoose(cut.frame)}
            onKeyDown={(event) => {
              const by = { ArrowLeft: -1, ArrowRight: 1, ArrowDown: -1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[event.key];
              if (by === undefined) return;
              event.preventDefault();
              event.stopPropagation();
              onMove(event.shiftKey ? by * 10 : by);
            }}
          />
        );
      })}
      <span class="playhead" hidden={chosen.value !== null} style={{ left: `${x(at.value)}px` }} aria-hidden="true" />
      <div class="ruler" aria-hidden="true">
        <span>{timeOf(Math.max(0, Math.round(view.value.from)))}</span>
        <span>{timeOf(Math.round((view.value.from + view.value.to) / 2))}</span>
        <span>{timeOf(Math.round(view.value.to))}</span>
      </div>
    </div>
  );
}
