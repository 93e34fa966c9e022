// What decisions and clips are called.

import type { Verdict } from "../api/types";

export type Word = Verdict | "group" | "cut" | "undo" | "redo" | "note";

/** What was done, by a key of this page. */
export const PAST: Record<Word, string> = {
  approve: "approved",
  skip: "skipped",
  archive: "archived",
  group: "grouped",
  cut: "cut",
  undo: "undone",
  redo: "redone",
  note: "noted",
};

/** What was done, by the server's name of it. */
export const ACTIONS_DONE: Record<string, string> = {
  approve: "approved",
  skip: "skipped",
  archive: "archived",
  group: "grouped",
  ungroup: "ungrouped",
  annotate: "note",
  add_cut: "cut added",
  remove_cut: "cut removed",
  move_cut: "cut moved",
  confirm_cut: "cut confirmed",
};

export const nameOf = (clip: { title: string | null; video_id: string }): string => clip.title || `video ${clip.video_id.slice(0, 8)}`;

/** The frames [start, end) for a person: both ends included. */
export const framesOf = (start: number, end: number): string => (end - start > 1 ? `${start}–${end - 1}` : String(start));

/** A clip in a line of text. */
export const clipText = (clip: { title: string | null; video_id: string; start: number; end: number }): string => `${nameOf(clip)} ${framesOf(clip.start, clip.end)}`;
