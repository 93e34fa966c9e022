// Which tiles of a long list are chosen: single ones, and ranges from the last one that was pressed. Pure; every change is a new set.

export interface Selection {
  chosen: ReadonlySet<string>;
  /** Where a range begins. */
  anchor: number | null;
}

export const NONE: Selection = { chosen: new Set(), anchor: null };

/** Only this one. */
export function only(ids: readonly string[], at: number): Selection {
  const id = ids[at];
  return id === undefined ? NONE : { chosen: new Set([id]), anchor: at };
}

/** This one too, or no more. */
export function toggled(of: Selection, ids: readonly string[], at: number): Selection {
  const id = ids[at];
  if (id === undefined) return of;
  const chosen = new Set(of.chosen);
  if (!chosen.delete(id)) chosen.add(id);
  return { chosen, anchor: at };
}

/** All from the anchor to here; with `more`, beside what is chosen already. */
export function ranged(of: Selection, ids: readonly string[], at: number, more: boolean): Selection {
  const from = of.anchor ?? at;
  const chosen = new Set(more ? of.chosen : []);
  for (const id of ids.slice(Math.min(from, at), Math.max(from, at) + 1)) chosen.add(id);
  return { chosen, anchor: from };
}

/** All of them. */
export const all = (ids: readonly string[]): Selection => ({ chosen: new Set(ids), anchor: 0 });

/** Of these only; the ids are those that are listed. */
export const among = (of: Selection, ids: readonly string[]): Selection => {
  const listed = new Set(ids);
  return without(of, new Set([...of.chosen].filter((id) => !listed.has(id))));
};

/** Without those that are no longer there. */
export function without(of: Selection, gone: ReadonlySet<string>): Selection {
  if (![...of.chosen].some((id) => gone.has(id))) return of;
  return { chosen: new Set([...of.chosen].filter((id) => !gone.has(id))), anchor: null };
}
