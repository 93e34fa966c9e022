// The tracks, drawn: as many pixels as there are, whatever the length of the video.

import type { Storyboard } from "../../api/types";
import { frameAt, type View } from "../../lib/view";

export type Sheets = Storyboard["items"];

export interface Waveform {
  start: number;
  end: number;
  frames_per_peak: number;
  peaks: (number | null)[];
}

export interface Tones {
  line: string;
  text: string;
  quiet: string;
  accent: string;
  doubt: string;
}

/** The least value of a frame that is a candidate for a cut. */
const THRESHOLD = 128;
const KEPT_SHEETS = 60;
const images = new Map<string, HTMLImageElement>();

function context(canvas: HTMLCanvasElement, widthPx: number, heightPx: number): CanvasRenderingContext2D | null {
  const scale = devicePixelRatio || 1;
  const width = Math.max(1, Math.round(widthPx * scale));
  if (canvas.width !== width || canvas.height !== Math.round(heightPx * scale)) {
    canvas.width = width;
    canvas.height = Math.round(heightPx * scale);
  }
  const found = canvas.getContext("2d");
  found?.setTransform(scale, 0, 0, scale, 0, 0);
  found?.clearRect(0, 0, widthPx, heightPx);
  return found;
}

function imageOf(address: string, then: () => void): HTMLImageElement | null {
  let image = images.get(address);
  if (!image) {
    image = new Image();
    image.addEventListener("load", then, { once: true });
    image.src = address;
    images.set(address, image);
    if (images.size > KEPT_SHEETS) images.delete(images.keys().next().value as string);
  } else if (!image.complete) image.addEventListener("load", then, { once: true });
  return image.complete && image.naturalWidth > 0 ? image : null;
}

const turns = new WeakMap<HTMLCanvasElement, number>();

/** Tiles side by side, each the picture nearest to the middle of what it covers. */
export function drawFilm(canvas: HTMLCanvasElement, widthPx: number, heightPx: number, view: View, sheets: Sheets, tones: Tones): void {
  const turn = (turns.get(canvas) ?? 0) + 1;
  turns.set(canvas, turn);
  const paint = context(canvas, widthPx, heightPx);
  if (!paint) return;
  paint.fillStyle = tones.line;
  paint.fillRect(0, 0, widthPx, heightPx);
  const first = sheets[0];
  if (!first) return;
  const tileWidth = Math.max(24, Math.round((heightPx * first.tile_width_px) / first.tile_height_px));
  let waiting = false;
  const again = (): void => {
    // One more time for all sheets that arrive together, and not if something newer was drawn.
    if (waiting || turns.get(canvas) !== turn) return;
    waiting = true;
    requestAnimationFrame(() => turns.get(canvas) === turn && drawFilm(canvas, widthPx, heightPx, view, sheets, tones));
  };
  for (let x = 0; x < widthPx; x += tileWidth) {
    // The last picture may reach beyond the end.
    const frame = frameAt(view, Math.min(x + tileWidth / 2, widthPx - 1), widthPx);
    const sheet = sheets.find((one) => frame >= one.start && frame < one.end) ?? null;
    if (!sheet) continue;
    let n = 0;
    while (n + 1 < sheet.frames.length && Math.abs((sheet.frames[n + 1] ?? 0) - frame) <= Math.abs((sheet.frames[n] ?? 0) - frame)) n += 1;
    const image = imageOf(sheet.address, again);
    if (!image) continue;
    const left = (n % sheet.columns) * sheet.tile_width_px;
    const top = Math.floor(n / sheet.columns) * sheet.tile_height_px;
    paint.drawImage(image, left, top, sheet.tile_width_px, sheet.tile_height_px, x, 0, tileWidth - 1, heightPx);
  }
}

/** How near each frame is to a cut: the highest value of the frames under each pixel, and the threshold. */
export function drawCurve(canvas: HTMLCanvasElement, widthPx: number, heightPx: number, view: View, scores: Uint8Array | null, tones: Tones): void {
  const paint = context(canvas, widthPx, heightPx);
  if (!paint || !scores) return;
  const y = (value: number): number => heightPx - 2 - (value / 255) * (heightPx - 6);
  paint.strokeStyle = tones.line;
  paint.setLineDash([3, 3]);
  paint.beginPath();
  paint.moveTo(0, y(THRESHOLD));
  paint.lineTo(widthPx, y(THRESHOLD));
  paint.stroke();
  paint.setLineDash([]);
  paint.strokeStyle = tones.accent;
  paint.lineWidth = 1;
  paint.beginPath();
  for (let x = 0; x < widthPx; x += 1) {
    const from = Math.max(0, Math.floor(frameAt(view, x, widthPx)));
    const to = Math.max(from + 1, Math.min(scores.length, Math.ceil(frameAt(view, x + 1, widthPx))));
    let peak = 0;
    for (let n = from; n < to; n += 1) peak = Math.max(peak, scores[n] ?? 0);
    if (x === 0) paint.moveTo(x, y(peak));
    else paint.lineTo(x + 0.5, y(peak));
  }
  paint.stroke();
}

/** How loud it is, mirrored about the middle. */
export function drawWave(
  canvas: HTMLCanvasElement,
  widthPx: number,
  heightPx: number,
  view: View,
  wave: Waveform | null,
  tones: Tones,
): void {
  const paint = context(canvas, widthPx, heightPx);
  if (!paint || !wave) return;
  paint.fillStyle = tones.quiet;
  const middle = heightPx / 2;
  for (let x = 0; x < widthPx; x += 1) {
    const from = Math.floor((frameAt(view, x, widthPx) - wave.start) / wave.frames_per_peak);
    const to = Math.max(from + 1, Math.ceil((frameAt(view, x + 1, widthPx) - wave.start) / wave.frames_per_peak));
    let peak: number | null = null;
    for (let n = Math.max(0, from); n < Math.min(wave.peaks.length, to); n += 1) {
      const value = wave.peaks[n];
      if (value !== null && value !== undefined) peak = Math.max(peak ?? 0, value);
    }
    if (peak === null) continue;
    const half = Math.max(0.5, (peak / 127) * (middle - 2));
    paint.fillRect(x, middle - half, 1, half * 2);
  }
}

