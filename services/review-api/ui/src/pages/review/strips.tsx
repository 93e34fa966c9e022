// Six frames each side of both cuts, so that a wrong cut is seen at a glance. A chosen cut is bright; while it is moved, the frames
// slide under it.

import type { Signal } from "@preact/signals";
import { useSignal } from "@preact/signals";
import type { Clip } from "../../api/types";
import { Button, Frame } from "../../parts/bits";
import { Icon } from "../../parts/icons";
import type { Chosen } from "./review";

export type Side = "in" | "out";

export const DOUBT = 0.6;
const EACH_SIDE = 6;

interface Props {
  clip: Clip | null;
  /** The clip that has been shown for a moment: pictures are made for it, not for what is only passed by. */
  settled: string | null;
  chosen: Signal<Chosen | null>;
  onChoose: (side: Side) => void;
  onCommit: () => void;
}

export function Strips({ clip, settled, chosen, onChoose, onCommit }: Props) {
  return (
    <div class="strips">
      <Strip side="in" clip={clip} settled={settled} chosen={chosen} onChoose={onChoose} onCommit={onCommit} />
      <Strip side="out" clip={clip} settled={settled} chosen={chosen} onChoose={onChoose} onCommit={onCommit} />
    </div>
  );
}

function Strip({ side, clip, settled, chosen, onChoose, onCommit }: Props & { side: Side }) {
  const drag = useSignal<{ x: number; to: number } | null>(null);
  const mine = chosen.value?.side === side && chosen.value.clip === clip?.id ? chosen.value : null;
  const confidence = clip ? (side === "in" ? clip.confidence_in : clip.confidence_out) : null;
  const doubt = confidence !== null && confidence < DOUBT;
  const at = mine ? mine.to : clip ? (side === "in" ? clip.start : clip.end) : 0;
  const there = clip !== null && settled === clip.id;
  const first = Math.max(0, at - EACH_SIDE);
  const frames = Array.from({ length: EACH_SIDE * 2 }, (_, n) => at - EACH_SIDE + n);
  const word = side === "in" ? "in" : "out";
  const open = clip !== null && confidence !== null;
  return (
    <div
      class="strip"
      data-side={side}
      data-doubt={doubt}
      data-chosen={mine !== null}
      role="group"
      aria-label={`Frames around the cut ${side === "in" ? "at the beginning" : "at the end"}`}
    >
      <div class="strip-head">
        <button type="button" class="strip-name" disabled={!open} aria-pressed={mine !== null} onMouseDown={(event) => event.preventDefault()} onClick={() => onChoose(side)}>
          {word}
          {clip && (
            <span class="time">
              {confidence === null ? (side === "in" ? " start of video" : " end") : ` ${at}`}
              {confidence !== null && <span class="quiet"> {confidence.toFixed(2)}</span>}
            </span>
          )}
          {doubt && <Icon name="doubt" class="doubt" />}
          {doubt && <span class="sr">in doubt</span>}
        </button>
        {mine && mine.to !== mine.frame && (
          <Button kind="solid" label={`Move ${mine.to > mine.frame ? "+" : "−"}${Math.abs(mine.to - mine.frame)}`} onPress={onCommit} action="commit" />
        )}
      </div>
      <div
        class="strip-frames"
        onPointerDown={(event) => {
          if (!open) return;
          if (!mine) onChoose(side);
          drag.value = { x: event.clientX, to: at };
          event.currentTarget.setPointerCapture(event.pointerId);
        }}
        onPointerMove={(event) => {
          const from = drag.value;
          const now = chosen.value;
          if (!from || !now || now.sent || now.side !== side) return;
          const width = event.currentTarget.clientWidth / (EACH_SIDE * 2);
          const [low, high] = now.room ?? [1, Number.MAX_SAFE_INTEGER];
          const to = Math.min(high, Math.max(low, from.to - Math.round((event.clientX - from.x) / width)));
          if (to !== now.to) chosen.value = { ...now, to };
        }}
        onPointerUp={() => (drag.value = null)}
        onPointerCancel={() => (drag.value = null)}
      >
        {frames.map((frame, n) => (
          <span key={n} class={n === EACH_SIDE ? "strip-cell after" : "strip-cell"}>
            {there && clip && frame >= first && (frame < clip.end || confidence !== null) ? (
              <Frame video={clip.video_id} frame={frame} alt={`frame ${frame}`} />
            ) : (
              <span class="frame" />
            )}
          </span>
        ))}
      </div>
    </div>
  );
}
