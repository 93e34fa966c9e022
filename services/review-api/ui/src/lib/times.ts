// When the frames of a video begin: exact where a clip begins or ends, and within clips whose frames' times are known; even in between.

import type { Timed } from "./time";

/** [frames, ticks a frame], one run after the other. */
export type Runs = readonly (readonly number[])[];

/** The clip in which a frame lies, or the last one for the video's end. `clips`: in order, none over another. */
export function clipAt<T extends Timed>(clips: readonly T[], frame: number): T | null {
  let low = 0;
  let high = clips.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((clips[middle]?.start ?? 0) <= frame) low = middle + 1;
    else high = middle;
  }
  const clip = clips[low - 1];
  return clip && frame <= clip.end ? clip : null;
}

/** The tick at which a frame begins, where the frame after the last begins at its end; null where the clip's times are not known. */
export function ticksAt(clip: Timed, frame: number, runs?: Runs): number | null {
  if (clip.start_ticks === null || clip.end_ticks === null) return null;
  let left = frame - clip.start;
  if (!runs) return clip.start_ticks + Math.round(((clip.end_ticks - clip.start_ticks) * left) / clip.frames);
  let ticks = clip.start_ticks;
  for (const [count = 0, step = 0] of runs) {
    const taken = Math.min(left, count);
    ticks += taken * step;
    left -= taken;
  }
  return ticks;
}
