// Times for people, exact: integer arithmetic on ticks, milliseconds rounded once, at the end.

export type TimeBase = readonly [number, number] | number[];

/** Milliseconds of a count of ticks, rounded to the nearest. */
export function milliseconds(ticks: number, base: TimeBase): number {
  const numerator = BigInt(base[0] ?? 0);
  const denominator = BigInt(base[1] ?? 1);
  return Number((BigInt(ticks) * numerator * 2000n + denominator) / (denominator * 2n));
}

const pad = (value: number, digits: number): string => String(value).padStart(digits, "0");

/** 00:01:12.480 */
export function timecode(ms: number): string {
  const s = Math.floor(ms / 1000);
  return `${pad(Math.floor(s / 3600), 2)}:${pad(Math.floor(s / 60) % 60, 2)}:${pad(s % 60, 2)}.${pad(ms % 1000, 3)}`;
}

/** 0:03.750, or 1:02:03.750 */
export function short(ms: number): string {
  const s = Math.floor(ms / 1000);
  const hours = Math.floor(s / 3600);
  const minutes = Math.floor(s / 60) % 60;
  const head = hours ? `${hours}:${pad(minutes, 2)}` : String(minutes);
  return `${head}:${pad(s % 60, 2)}.${pad(ms % 1000, 3)}`;
}

/** 1:02:11, for lengths in lists. */
export function clock(ms: number): string {
  const s = Math.round(ms / 1000);
  return `${Math.floor(s / 3600)}:${pad(Math.floor(s / 60) % 60, 2)}:${pad(s % 60, 2)}`;
}

/** 0.4 s, 14 s, 3 min 20 s, 2 h 5 min: how long something took or will take. */
export function spell(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

/** 14:03:22 today, 21 Nov 14:03 before. */
export function when(iso: string, now: Date = new Date()): string {
  const at = new Date(iso);
  const time = `${pad(at.getHours(), 2)}:${pad(at.getMinutes(), 2)}`;
  if (at.toDateString() === now.toDateString()) return `${time}:${pad(at.getSeconds(), 2)}`;
  const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  return `${at.getDate()} ${months[at.getMonth()]} ${time}`;
}

/** 512 B, 14.2 MB, 3.10 GB */
export function bytes(count: number): string {
  if (count < 1000) return `${count} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let value = count / 1000;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value >= 100 ? value.toFixed(0) : value.toPrecision(3)} ${units[unit]}`;
}

export interface Timed {
  start: number;
  end: number;
  frames: number;
  start_ticks: number | null;
  end_ticks: number | null;
  time_base: TimeBase | null;
}

/** The length of a clip in milliseconds; null where its times are not known. */
export function lengthOf(clip: Timed): number | null {
  if (clip.start_ticks === null || clip.end_ticks === null || !clip.time_base) return null;
  return milliseconds(clip.end_ticks - clip.start_ticks, clip.time_base);
}

/** When a clip begins and ends in its video: "00:01:12.480 – 00:01:16.230", or its frames where times are not known. */
export function spanOf(clip: Timed): string {
  const base = clip.time_base;
  if (clip.start_ticks === null || clip.end_ticks === null || !base) return `frames ${clip.start} – ${clip.end - 1}`;
  return `${timecode(milliseconds(clip.start_ticks, base))} – ${timecode(milliseconds(clip.end_ticks, base))}`;
}

/** "3.750 s", or the frames where the time is not known. */
export function lengthText(clip: Timed): string {
  const ms = lengthOf(clip);
  return ms === null ? `${clip.frames} fr` : `${(ms / 1000).toFixed(ms < 100_000 ? (ms < 10_000 ? 2 : 1) : 0)} s`;
}
