// A contact sheet of any length: only what is looked at exists. Hover or focus plays in place; a press chooses, with Shift a range,
// with Ctrl one more. The keys do all of it too.

import { useComputed, useSignal, type ReadonlySignal, type Signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { playAddress } from "../api/client";
import { lengthText } from "../lib/time";
import { all, NONE, only, ranged, toggled, type Selection } from "../lib/selection";
import { layout, neighbour, visible } from "../lib/virtual";
import { Broken, explain, said, type Trouble } from "../player/broken";
import { clipOf, lookAt } from "../state/clips";
import { byRule } from "../state/rule";
import { nameOf } from "../state/words";
import { useActions } from "../state/actions";
import { Frame, stateOf } from "./bits";
import { Icon } from "./icons";

const LEAST_PX = 168;
const NARROW_LEAST_PX = 104;
const GAP_PX = 8;
const CAPTION_PX = 24;
const MORE_ROWS = 2;
const PLAY_AFTER_MS = 120;
/** A browser's element is not as tall as it likes: beyond this the scroll position is scaled. */
const TALLEST_PX = 8_000_000;

interface Props {
  ids: ReadonlySignal<readonly string[]>;
  selection: Signal<Selection>;
  /** How many clips stand behind a tile, where near-identical ones are stacked. */
  stacks?: ReadonlySignal<ReadonlyMap<string, readonly string[]>>;
  /** A word under a tile, such as how alike it is. */
  hint?: (id: string) => string | undefined;
  onOpen: (id: string) => void;
  label: string;
}

export function Tiles({ ids, selection, stacks, hint, onOpen, label }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const size = useSignal<[number, number]>([0, 0]);
  const top = useSignal(0);
  const focus = useSignal(0);
  const playing = useSignal<string | null>(null);
  const broken = useMemo(() => new Broken(), []);
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);

  const grid = useComputed(() => layout(ids.value.length, size.value[0], size.value[0] < 560 ? NARROW_LEAST_PX : LEAST_PX, GAP_PX, CAPTION_PX));
  const window_ = useComputed(() => {
    const [first, last] = visible(grid.value, ids.value.length, top.value, size.value[1], MORE_ROWS);
    return { first, last };
  });

  useLayoutEffect(() => {
    const element = box.current as HTMLDivElement;
    const measure = (): void => {
      const style = getComputedStyle(element);
      size.value = [element.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight), element.clientHeight];
    };
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    let waiting = false;
    const scrolled = (): void => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => {
        waiting = false;
        // In steps of half a row: in between nothing would change.
        const step = Math.max(1, grid.peek().rowHeightPx / 2);
        top.value = Math.floor(element.scrollTop / step) * step;
      });
    };
    element.addEventListener("scroll", scrolled, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener("scroll", scrolled);
    };
  }, []);

  useEffect(() => {
    lookAt(ids.value.slice(window_.value.first, window_.value.last));
  }, [window_.value]);

  /** The tile that has the focus; the list may have become shorter. */
  const here = (): number => Math.max(0, Math.min(focus.value, ids.value.length - 1));

  const showRow = (at: number): void => {
    const element = box.current;
    if (!element) return;
    const y = Math.floor(at / grid.value.columns) * grid.value.rowHeightPx;
    if (y < element.scrollTop) element.scrollTop = y;
    else if (y + grid.value.rowHeightPx > element.scrollTop + element.clientHeight) element.scrollTop = y + grid.value.rowHeightPx - element.clientHeight + GAP_PX;
  };

  const play = (id: string | null, afterMs = PLAY_AFTER_MS): void => {
    if (timer.current) clearTimeout(timer.current);
    if (id === null) playing.value = null;
    else timer.current = setTimeout(() => (playing.value = id), afterMs);
  };

  const move = (step: Parameters<typeof neighbour>[1], extend: boolean): void => {
    const to = neighbour(here(), step, grid.value.columns, ids.value.length);
    if (to === null) return;
    if (extend) selection.value = ranged(selection.value.anchor === null ? { ...selection.value, anchor: here() } : selection.value, ids.value, to, false);
    focus.value = to;
    showRow(to);
    play(ids.value[to] ?? null, 300);
  };

  useActions({
    select_all: () => (selection.value = all(ids.value)),
    open: () => {
      const id = ids.value[here()];
      if (id) onOpen(id);
    },
    cancel: () => {
      selection.value = NONE;
      play(null);
    },
  });

  const onKeyDown = (event: KeyboardEvent): void => {
    const steps: Record<string, Parameters<typeof neighbour>[1]> = {
      ArrowLeft: "left",
      ArrowRight: "right",
      ArrowUp: "up",
      ArrowDown: "down",
      Home: "first",
      End: "last",
    };
    const step = steps[event.key];
    if (step) move(step, event.shiftKey);
    else if (event.key === " ") selection.value = toggled(selection.value, ids.value, here());
    else if (event.key === "PageDown" || event.key === "PageUp") {
      const rows = Math.max(1, Math.floor(size.value[1] / grid.value.rowHeightPx) - 1);
      const to = here() + (event.key === "PageDown" ? rows : -rows) * grid.value.columns;
      focus.value = Math.min(ids.value.length - 1, Math.max(0, to));
      showRow(focus.value);
    } else return;
    event.preventDefault();
  };

  const { first, last } = window_.value;
  const { columns, rowHeightPx, tileWidthPx, heightPx, rows } = grid.value;
  const offset = Math.floor(first / columns) * rowHeightPx;
  const focused = here();
  const tile = (id: string, at: number) => (
    <Tile
      key={id}
      id={id}
      chosen={selection.value.chosen.has(id)}
      focused={at === focused}
      playing={playing.value === id}
      stack={stacks?.value.get(id)?.length ?? 0}
      hint={hint?.(id)}
      trouble={broken.found.value[id]}
      broken={broken}
      onPress={(event) => {
        focus.value = at;
        if (event.shiftKey) selection.value = ranged(selection.value, ids.value, at, event.ctrlKey || event.metaKey);
        else if (event.ctrlKey || event.metaKey || event.detail === 0) selection.value = toggled(selection.value, ids.value, at);
        else selection.value = selection.value.chosen.size === 1 && selection.value.chosen.has(id) ? NONE : only(ids.value, at);
      }}
      onTick={() => {
        focus.value = at;
        selection.value = toggled(selection.value, ids.value, at);
      }}
      onOpen={() => onOpen(id)}
      onHover={() => play(id)}
    />
  );
  return (
    <div
      class="tiles"
      ref={box}
      role="grid"
      tabIndex={0}
      aria-label={label}
      aria-multiselectable="true"
      aria-rowcount={rows}
      aria-colcount={columns}
      aria-activedescendant={ids.value[focused] ? `tile-${ids.value[focused]}` : undefined}
      onKeyDown={onKeyDown}
      onMouseLeave={() => play(null)}
    >
      <div class="tiles-whole" style={{ height: `${Math.min(TALLEST_PX, heightPx)}px` }}>
        <div
          class="tiles-window"
          style={{ transform: `translateY(${offset}px)`, gridTemplateColumns: `repeat(${columns}, ${tileWidthPx}px)`, gridAutoRows: `${rowHeightPx - GAP_PX}px` }}
        >
          {Array.from({ length: Math.ceil((last - first) / columns) }, (_, n) => first + n * columns).map((begin) => (
            <div key={begin} class="tile-row" role="row" aria-rowindex={begin / columns + 1}>
              {ids.value.slice(begin, Math.min(last, begin + columns)).map((id, n) => tile(id, begin + n))}
            </div>
          ))}
        </div>
      </div>
    </div>
  );
}

interface TileProps {
  id: string;
  chosen: boolean;
  focused: boolean;
  playing: boolean;
  stack: number;
  hint: string | undefined;
  trouble: Trouble | undefined;
  broken: Broken;
  onPress: (event: MouseEvent) => void;
  onTick: () => void;
  onOpen: () => void;
  onHover: () => void;
}

function Tile({ id, chosen, focused, playing, stack, hint, trouble, broken, onPress, onTick, onOpen, onHover }: TileProps) {
  const clip = clipOf(id).value;
  const state = clip ? stateOf(clip.state) : null;
  const name = clip ? `${nameOf(clip)}, frames ${clip.start} to ${clip.end - 1}, ${hint ?? lengthText(clip)}, ${state?.word}${byRule(clip) ? " by a rule" : ""}${stack > 1 ? `, stack of ${stack}` : ""}${trouble ? ", does not play" : ""}` : "loading";
  return (
    <div
      class="tile"
      id={`tile-${id}`}
      role="gridcell"
      aria-selected={chosen}
      aria-label={name}
      data-clip={id}
      data-chosen={chosen}
      data-focused={focused}
      data-tone={state?.tone}
      onMouseDown={(event) => event.shiftKey && event.preventDefault()}
      onClick={onPress}
      onDblClick={onOpen}
      onMouseEnter={onHover}
    >
      <span class="tile-picture" aria-hidden="true">
        {clip ? <Frame key={id} video={clip.video_id} frame={clip.start + (clip.frames >> 1)} /> : <span class="frame" />}
        {playing && clip && (
          <video
            src={playAddress(id, false)}
            muted
            loop
            autoplay
            playsInline
            disablePictureInPicture
            tabIndex={-1}
            onLoadedData={() => broken.tell(id, null, "")}
            onError={({ currentTarget: video }) => {
              // Of one that was left meanwhile nothing is known.
              void explain(id, false, video).then(({ cause, detail }) => video.isConnected && broken.tell(id, cause, detail));
            }}
          />
        )}
        {trouble && (
          <span class="tile-broken" title={said(trouble)}>
            <Icon name="failed" />
            does not play
          </span>
        )}
        <span
          class="tile-tick"
          onClick={(event) => {
            event.stopPropagation();
            onTick();
          }}
        >
          <Icon name="approve" />
        </span>
        {stack > 1 && (
          <span class="tile-stack">
            <Icon name="stack" />×{stack}
          </span>
        )}
      </span>
      <span class="tile-foot" aria-hidden="true">
        {clip && state && state.tone !== "pending" && <Icon name={state.icon} class="tone" />}
        {clip && byRule(clip) && <Icon name="rule" class="tone" />}
        <span class="what">{clip ? nameOf(clip) : ""}</span>
        {clip && clip.certainty < 0.6 && <Icon name="doubt" class="doubt" />}
        <span class="time">{hint ?? (clip ? lengthText(clip) : "")}</span>
      </span>
    </div>
  );
}
