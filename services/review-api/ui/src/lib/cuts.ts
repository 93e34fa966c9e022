// Cuts as a person has changed them, before the server has said so. Pure. A change is kept as what it makes of the frames that it touches, so
// that it may be laid over any state of the server's, be it from before or after the change, and comes to the same.

export interface AnyCut {
  frame: number;
  kind: string;
  confidence: number;
  extent: [number, number];
  by: string | null;
}

export interface CutWish {
  operation: "add" | "remove" | "move" | "confirm";
  frame: number;
  /** Where it is moved, for a move. */
  to?: number;
}

/** The cut that stands at a frame, or null for none; frames that are not named stay as they are. */
export type Patch = ReadonlyMap<number, AnyCut | null>;

/** A change that the server may not know of yet. */
export interface Pending {
  key: string;
  patch: Patch;
  /** The version of the video that has it, once the server has said so; a state of that version or later needs it no more. */
  since: number | null;
}

/** What a wish makes of the cuts that are shown, and what takes it back. */
export function patchOf(cuts: readonly AnyCut[], wish: CutWish, by: string | null): { does: Patch; undoes: Patch } {
  const standing = (frame: number): AnyCut | null => cuts.find((cut) => cut.frame === frame) ?? null;
  const set = (frame: number): AnyCut => ({ frame, kind: "hard", confidence: 1, extent: [frame, frame + 1], by });
  const does = new Map<number, AnyCut | null>();
  const at = standing(wish.frame);
  if (wish.operation === "add") does.set(wish.frame, set(wish.frame));
  else if (wish.operation === "remove") does.set(wish.frame, null);
  else if (wish.operation === "confirm") does.set(wish.frame, at && { ...at, confidence: 1, by });
  else if (wish.to !== undefined) does.set(wish.frame, null).set(wish.to, set(wish.to));
  return { does, undoes: new Map([...does.keys()].map((frame) => [frame, standing(frame)])) };
}

/** The server's cuts with what it does not know yet laid over them, in order: the last that touches a frame has it. */
export function patched<T extends AnyCut>(cuts: readonly T[], pending: readonly Pending[]): readonly (T | AnyCut)[] {
  if (!pending.length) return cuts;
  const now = new Map<number, T | AnyCut>(cuts.map((cut) => [cut.frame, cut]));
  for (const { patch } of pending) {
    for (const [frame, cut] of patch) {
      if (cut) now.set(frame, cut);
      else now.delete(frame);
    }
  }
  return [...now.values()].sort((a, b) => a.frame - b.frame);
}

/** Those that a state of this version does not have yet. */
export const unknownTo = (version: number, pending: readonly Pending[]): readonly Pending[] =>
  pending.filter(({ since }) => since === null || since > version);
