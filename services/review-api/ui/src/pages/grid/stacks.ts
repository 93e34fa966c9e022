// Near-identical clips: what their pictures look like, and which belong together. A picture's signature is its differences of
// brightness between neighbours on a small grid (dHash); it holds whatever the size or the compression.

import { frameAddress } from "../../api/client";
import type { Clip } from "../../api/types";
import { get } from "../../api/client";
import { keepClips, peekClip } from "../../state/clips";

export const COLUMNS = 9;
export const ROWS = 8;
/** So many of the 64 bits may differ, in each of a clip's pictures. */
export const NEAR = 6;
const PICTURES = 2;
const AT_ONCE = 4;

/** 64 bits, as two numbers, of COLUMNS x ROWS brightnesses in rows from above. */
export function dhash(brightness: ArrayLike<number>): [number, number] {
  let high = 0;
  let low = 0;
  for (let row = 0; row < ROWS; row += 1) {
    for (let column = 0; column < COLUMNS - 1; column += 1) {
      const at = row * COLUMNS + column;
      const bit = (brightness[at] ?? 0) < (brightness[at + 1] ?? 0) ? 1 : 0;
      if (row < ROWS / 2) high = ((high << 1) | bit) >>> 0;
      else low = ((low << 1) | bit) >>> 0;
    }
  }
  return [high, low];
}

function ones(value: number): number {
  let bits = value - ((value >>> 1) & 0x55555555);
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333);
  return (((bits + (bits >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24;
}

/** In how many bits two signatures differ, at the worst of their pictures. */
export function distance(a: readonly [number, number][], b: readonly [number, number][]): number {
  return Math.max(...a.map(([high, low], n) => ones((high ^ (b[n]?.[0] ?? ~high)) >>> 0) + ones((low ^ (b[n]?.[1] ?? ~low)) >>> 0)));
}

/** Which ids belong together: each stack under its first id; those that are alone are in none. */
export function together(ids: readonly string[], signatures: ReadonlyMap<string, readonly [number, number][]>): Map<string, string[]> {
  const stacks = new Map<string, string[]>();
  for (const id of ids) {
    const mine = signatures.get(id);
    if (!mine) continue;
    const first = [...stacks.keys()].find((other) => distance(mine, signatures.get(other) ?? []) <= NEAR);
    if (first) stacks.get(first)?.push(id);
    else stacks.set(id, [id]);
  }
  for (const [id, stack] of stacks) if (stack.length < 2) stacks.delete(id);
  return stacks;
}

/** The stacks that are listed whole. */
export function standing(stacks: ReadonlyMap<string, readonly string[]>, ids: readonly string[]): ReadonlyMap<string, readonly string[]> {
  if (!stacks.size) return stacks;
  const listed = new Set(ids);
  return new Map([...stacks].filter(([, stack]) => stack.every((id) => listed.has(id))));
}

/** What a clip looks like a third and two thirds through. */
export async function signatureOf(clip: Clip): Promise<[number, number][]> {
  const found: [number, number][] = [];
  for (let n = 1; n <= PICTURES; n += 1) {
    const frame = clip.start + Math.floor((clip.frames * n) / (PICTURES + 1));
    const answer = await fetch(frameAddress(clip.video_id, frame));
    if (!answer.ok) throw new Error(`frame ${frame} is not to be had`);
    const picture = await createImageBitmap(await answer.blob(), { resizeWidth: COLUMNS, resizeHeight: ROWS, resizeQuality: "medium" });
    const canvas = document.createElement("canvas");
    canvas.width = COLUMNS;
    canvas.height = ROWS;
    const context = canvas.getContext("2d", { willReadFrequently: true }) as CanvasRenderingContext2D;
    context.drawImage(picture, 0, 0);
    picture.close();
    const { data } = context.getImageData(0, 0, COLUMNS, ROWS);
    found.push(dhash(Array.from({ length: COLUMNS * ROWS }, (_, at) => 299 * (data[at * 4] ?? 0) + 587 * (data[at * 4 + 1] ?? 0) + 114 * (data[at * 4 + 2] ?? 0))));
  }
  return found;
}

const known = new Map<string, [number, number][]>();

/** Look at all of them, a few at a time, and stack those that are near-identical. */
export async function stacked(ids: readonly string[], look: (clip: Clip) => Promise<[number, number][]>): Promise<Map<string, string[]>> {
  for (let at = 0; at < ids.length; at += 100) {
    const missing = ids.slice(at, at + 100).filter((id) => !peekClip(id));
    if (missing.length) keepClips((await get<{ items: Clip[] }>("/api/clips/picked", { id: missing })).items);
  }
  const rest = ids.filter((id) => !known.has(id));
  const worker = async (): Promise<void> => {
    for (let id = rest.pop(); id; id = rest.pop()) {
      const clip = peekClip(id);
      if (!clip) continue;
      try {
        known.set(id, await look(clip));
      } catch {
        // A clip whose pictures are not to be had is in no stack.
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return together(ids, known);
}
