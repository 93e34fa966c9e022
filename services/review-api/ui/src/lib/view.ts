// Which part of a long line of frames is shown, and where a frame stands in it. Pure.

export interface View {
  /** First frame that is shown; may lie between two. */
  from: number;
  to: number;
}

const LEAST_FRAMES = 24;

/** Inside the film, and as long as before where that is possible. */
export function clamped(view: View, frames: number): View {
  const length = Math.min(frames, Math.max(Math.min(LEAST_FRAMES, frames), view.to - view.from));
  const from = Math.min(frames - length, Math.max(0, view.from));
  return { from, to: from + length };
}

/** So many times as much is shown; the frame `around` stays where it is. */
export function zoomed(view: View, by: number, around: number, frames: number): View {
  const now = view.to - view.from;
  const length = Math.min(frames, Math.max(Math.min(LEAST_FRAMES, frames), now * by));
  const share = Math.min(1, Math.max(0, (around - view.from) / now));
  return clamped({ from: around - share * length, to: around + (1 - share) * length }, frames);
}

export const xOf = (view: View, frame: number, widthPx: number): number => ((frame - view.from) / (view.to - view.from)) * widthPx;

export const frameAt = (view: View, xPx: number, widthPx: number): number => view.from + (xPx / Math.max(1, widthPx)) * (view.to - view.from);

/** The frames whose times the ruler tells: where the view begins, its middle, and where it ends. */
export const ruled = (view: View): number[] => [Math.max(0, Math.round(view.from)), Math.round((view.from + view.to) / 2), Math.round(view.to)];

/** The cuts in view; where there are too many, the most certain ones, in order. */
export function shownCuts<T extends { frame: number; confidence: number }>(cuts: readonly T[], view: View, most: number): T[] {
  const inside = cuts.filter((cut) => cut.frame >= view.from && cut.frame <= view.to);
  if (inside.length <= most) return inside;
  const kept = new Set([...inside].sort((a, b) => b.confidence - a.confidence).slice(0, most));
  return inside.filter((cut) => kept.has(cut));
}
