// Clips by id, for lists that are too long to be fetched whole: those that are looked at are asked for, several at once.

import { signal, type Signal } from "@preact/signals";
import { get } from "../api/client";
import type { Clip } from "../api/types";

const AT_ONCE = 100;
const SOON_MS = 40;
const AGAIN_MS = 3000;
const KEPT = 6000;

const known = new Map<string, Signal<Clip | null>>();
let wanted = new Set<string>();
let timer: ReturnType<typeof setTimeout> | null = null;

/** A clip, as far as it is known; it is asked for if it is not. */
export function clipOf(id: string): Signal<Clip | null> {
  let found = known.get(id);
  if (!found) {
    found = signal<Clip | null>(null);
    known.set(id, found);
    forget();
  }
  if (!found.peek()) want(id);
  return found;
}

/** What is known without asking. */
export const peekClip = (id: string): Clip | null => known.get(id)?.peek() ?? null;

let turns = 0;
/** When what is known of a clip was asked for. */
const askedIn = new Map<string, number>();

/** Take in clips that came by another way. */
export function keepClips(clips: readonly Clip[]): void {
  turns += 1;
  keep(clips, turns);
}

/** What was asked for before something newer came is old. */
function keep(clips: readonly Clip[], turn: number): void {
  for (const clip of clips) {
    if ((askedIn.get(clip.id) ?? 0) > turn) continue;
    askedIn.set(clip.id, turn);
    const found = known.get(clip.id);
    if (found) found.value = clip;
    else known.set(clip.id, signal<Clip | null>(clip));
  }
}

/** Ask again for clips that may be different now. */
export function refreshClips(ids: readonly string[]): void {
  for (const id of ids) if (known.has(id)) want(id);
}

/** Clips that scrolled away before they were asked for need not be asked for. */
export function lookAt(ids: readonly string[]): void {
  const now = new Set(ids);
  wanted = new Set([...wanted].filter((id) => now.has(id) || known.get(id)?.peek()));
}

function want(id: string): void {
  wanted.add(id);
  askIn(SOON_MS);
}

function askIn(ms: number): void {
  timer ??= setTimeout(() => {
    timer = null;
    void ask();
  }, ms);
}

async function ask(): Promise<void> {
  const ids = [...wanted].slice(0, AT_ONCE);
  for (const id of ids) wanted.delete(id);
  if (!ids.length) return;
  turns += 1;
  const turn = turns;
  try {
    keep((await get<{ items: Clip[] }>("/api/clips/picked", { id: ids })).items, turn);
  } catch {
    for (const id of ids) wanted.add(id);
    askIn(AGAIN_MS);
  }
  if (wanted.size && !timer) void ask();
}

function forget(): void {
  if (known.size <= KEPT) return;
  let surplus = known.size - KEPT;
  for (const [id] of known) {
    if (surplus <= 0) break;
    known.delete(id);
    askedIn.delete(id);
    surplus -= 1;
  }
}
