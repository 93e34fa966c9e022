// Which part of a long grid has to exist. Pure: a scroll position in, rows out.

export interface Layout {
  /** Tiles in a row. */
  columns: number;
  /** Rows in all. */
  rows: number;
  /** Height of all of it, pixels. */
  heightPx: number;
  tileWidthPx: number;
  rowHeightPx: number;
}

/** A grid of `count` tiles that are at least `leastPx` wide, in `widthPx`, with `gapPx` between them and `captionPx` under each picture. */
export function layout(count: number, widthPx: number, leastPx: number, gapPx: number, captionPx: number): Layout {
  const columns = Math.max(1, Math.floor((widthPx + gapPx) / (leastPx + gapPx)));
  const tileWidthPx = Math.max(1, Math.floor((widthPx - gapPx * (columns - 1)) / columns));
  const rowHeightPx = Math.round((tileWidthPx * 9) / 16) + captionPx + gapPx;
  const rows = Math.ceil(count / columns);
  return { columns, rows, heightPx: rows * rowHeightPx, tileWidthPx, rowHeightPx };
}

/** The tiles [first, last) that a window shows, with so many rows more on both sides. */
export function visible(of: Layout, count: number, topPx: number, windowPx: number, moreRows: number): [number, number] {
  const from = Math.max(0, Math.floor(topPx / of.rowHeightPx) - moreRows);
  const to = Math.min(of.rows, Math.ceil((topPx + windowPx) / of.rowHeightPx) + moreRows);
  return [Math.min(count, from * of.columns), Math.min(count, Math.max(0, to) * of.columns)];
}

/** Where focus goes from a tile by an arrow; null where it would leave the grid. */
export function neighbour(at: number, step: "left" | "right" | "up" | "down" | "first" | "last", columns: number, count: number): number | null {
  const to = { left: at - 1, right: at + 1, up: at - columns, down: at + columns, first: 0, last: count - 1 }[step];
  if (step === "down" && to >= count && at < count - 1 && Math.floor(at / columns) < Math.floor((count - 1) / columns)) return count - 1;
  return to >= 0 && to < count ? to : null;
}
