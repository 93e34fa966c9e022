// The tracks, one below the other: pictures, how near each frame is to a cut, how loud it is, what became of the clips; and the cuts as sliders.

import { useSignal, type Signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { Clip } from "../../api/types";
import { clamped, frameAt, ruled, shownCuts, xOf, zoomed, type View } from "../../lib/view";
import { stateOf } from "../../parts/bits";
import { drawCurve, drawFilm, drawWave, type Sheets, type Waveform } from "./draw";
import type { Editing } from "./editing";

const FILM_PX = 64;
const CURVE_PX = 56;
const WAVE_PX = 48;
const MOST_SLIDERS = 400;

interface TracksProps {
  view: Signal<View>;
  sheets: Sheets;
  wave: Waveform | null;
  scores: Uint8Array | null;
  clips: readonly Clip[];
  editing: Editing;
  onCommit: () => void;
  timeOf: (frame: number) => string;
}

export function Tracks({ view, sheets, wave, scores, clips, editing, onCommit, timeOf }: TracksProps) {
  const { at, chosen, to } = editing;
  const frames = editing.frames.value;
  const cuts = editing.cuts.value;
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

  // A cut that was moved is another slider: whoever worked it by the keys goes on with it.
  const had = box.current !== null && (document.activeElement?.matches(".cut[data-chosen=true]") ?? false);
  useLayoutEffect(() => {
    if (had && chosen.value !== null) box.current?.querySelector<HTMLElement>(`[data-cut="${chosen.value}"]`)?.focus();
  }, [chosen.value]);

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
          editing.choose(Number(slider.dataset["cut"]));
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
          editing.moveTo(from.frame + Math.round(by));
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
          editing.choose(null);
          editing.look(Math.floor(frameAt(view.value, event.clientX - event.currentTarget.getBoundingClientRect().left, width.value)));
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
        const [low, high] = mine ? editing.room(cut.frame) : [0, frames];
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
            onFocus={() => chosen.value !== cut.frame && editing.choose(cut.frame)}
            onKeyDown={(event) => {
              const by = { ArrowLeft: -1, ArrowRight: 1, ArrowDown: -1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[event.key];
              if (by === undefined) return;
              event.preventDefault();
              event.stopPropagation();
              editing.move(event.shiftKey ? by * 10 : by);
            }}
          />
        );
      })}
      <span class="playhead" hidden={chosen.value !== null} style={{ left: `${x(at.value)}px` }} aria-hidden="true" />
      <div class="ruler" aria-hidden="true">
        {ruled(view.value).map((frame, n) => (
          <span key={n}>{timeOf(frame)}</span>
        ))}
      </div>
    </div>
  );
}
