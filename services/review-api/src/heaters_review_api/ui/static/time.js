// Times for people, exact: integer arithmetic on ticks, milliseconds rounded once, at the end.

/** Milliseconds of a count of ticks, rounded to the nearest. */
export function milliseconds(ticks, [numerator, denominator]) {
  const scaled = BigInt(ticks) * BigInt(numerator) * 2000n;
  const divisor = BigInt(denominator) * 2n;
  return Number((scaled + BigInt(denominator)) / divisor);
}

const pad = (value, digits) => String(value).padStart(digits, "0");

/** 00:01:12.480 */
export function timecode(ms) {
  const s = Math.floor(ms / 1000);
  return `${pad(Math.floor(s / 3600), 2)}:${pad(Math.floor(s / 60) % 60, 2)}:${pad(s % 60, 2)}.${pad(ms % 1000, 3)}`;
}

/** 0:03.750, or 1:02:03.750 */
export function short(ms) {
  const s = Math.floor(ms / 1000);
  const hours = Math.floor(s / 3600);
  const minutes = Math.floor(s / 60) % 60;
  const head = hours ? `${hours}:${pad(minutes, 2)}` : String(minutes);
  return `${head}:${pad(s % 60, 2)}.${pad(ms % 1000, 3)}`;
}

/** The length of a clip in milliseconds; null where its times are not known. */
export function lengthOf(clip) {
  if (clip.start_ticks === null || clip.end_ticks === null || !clip.time_base) return null;
  return milliseconds(clip.end_ticks - clip.start_ticks, clip.time_base);
}

/** When a clip begins and ends in its video: "00:01:12.480 – 00:01:16.230", or its frames where times are not known. */
export function spanOf(clip) {
  if (clip.start_ticks === null || clip.end_ticks === null || !clip.time_base) {
    return `frames ${clip.start} – ${clip.end - 1}`;
  }
  const at = (ticks) => timecode(milliseconds(ticks, clip.time_base));
  return `${at(clip.start_ticks)} – ${at(clip.end_ticks)}`;
}
