// Every action that has a key: what it is called, where it works, and its usual keys. Pages say what it does while they are shown.

import { computed } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import { chordOf, type Pressed } from "../lib/chord";
import { atOnce } from "../lib/hurry";
import { route, type Page } from "./route";
import { set, settings } from "./me";

export interface Action {
  id: string;
  title: string;
  group: "Verdicts" | "Playing" | "Cuts" | "Grid" | "Timeline" | "Anywhere";
  chords: string[];
  /** Where it works; everywhere where none are named. */
  pages?: readonly Page[];
  /** Whether it goes on while its key is held down. Verdicts never do. */
  repeats?: boolean;
}

const REVIEW: readonly Page[] = ["review"];
const FILM: readonly Page[] = ["review", "timeline"];
const DECIDE: readonly Page[] = ["review", "grid", "search"];
const TILES: readonly Page[] = ["grid", "search"];

export const ACTIONS: readonly Action[] = [
  { id: "approve", title: "Approve", group: "Verdicts", chords: ["A"], pages: DECIDE },
  { id: "skip", title: "Skip", group: "Verdicts", chords: ["S"], pages: DECIDE },
  { id: "archive", title: "Archive", group: "Verdicts", chords: ["X"], pages: DECIDE },
  { id: "group", title: "Group with the next clip (in the grid: the selection)", group: "Verdicts", chords: ["G"], pages: DECIDE },
  { id: "group_previous", title: "Group with the clip before", group: "Verdicts", chords: ["Shift+G"], pages: REVIEW },
  { id: "repeat", title: "The last verdict again", group: "Verdicts", chords: ["W"], pages: REVIEW },
  { id: "undo", title: "Undo", group: "Verdicts", chords: ["U", "Ctrl+Z"], pages: [...DECIDE, "timeline"] },
  { id: "redo", title: "Redo", group: "Verdicts", chords: ["Ctrl+Shift+Z", "Ctrl+Y"], pages: [...DECIDE, "timeline"] },
  { id: "tags", title: "Tags", group: "Verdicts", chords: ["T"], pages: REVIEW },
  { id: "note", title: "Note", group: "Verdicts", chords: ["N"], pages: REVIEW },
  { id: "play", title: "Play or pause", group: "Playing", chords: ["Space", "K"], pages: FILM },
  { id: "back", title: "Play backwards, faster each time", group: "Playing", chords: ["J"], pages: REVIEW },
  { id: "forth", title: "Play forwards, faster each time", group: "Playing", chords: ["L"], pages: REVIEW },
  { id: "frame_back", title: "One frame back", group: "Playing", chords: [",", "←"], pages: FILM, repeats: true },
  { id: "frame_forth", title: "One frame on", group: "Playing", chords: [".", "→"], pages: FILM, repeats: true },
  { id: "ten_back", title: "Ten frames back", group: "Playing", chords: ["Shift+←"], pages: FILM, repeats: true },
  { id: "ten_forth", title: "Ten frames on", group: "Playing", chords: ["Shift+→"], pages: FILM, repeats: true },
  { id: "first", title: "First frame", group: "Playing", chords: ["Home"], pages: FILM },
  { id: "last", title: "Last frame", group: "Playing", chords: ["End"], pages: FILM },
  { id: "loop", title: "Loop", group: "Playing", chords: ["R"], pages: REVIEW },
  { id: "sound", title: "Sound", group: "Playing", chords: ["M"], pages: REVIEW },
  { id: "around", title: "Play around the cut", group: "Playing", chords: ["/"], pages: REVIEW },
  { id: "cut_add", title: "Add a cut here", group: "Cuts", chords: ["B"], pages: FILM },
  { id: "cut_remove", title: "Remove the chosen cut", group: "Cuts", chords: ["Backspace", "Delete"], pages: FILM },
  { id: "cut_previous", title: "Choose the cut before", group: "Cuts", chords: ["["], pages: FILM },
  { id: "cut_next", title: "Choose the cut after", group: "Cuts", chords: ["]"], pages: FILM },
  { id: "cut_back", title: "Move the cut one frame back", group: "Cuts", chords: ["Alt+←"], pages: FILM, repeats: true },
  { id: "cut_forth", title: "Move the cut one frame on", group: "Cuts", chords: ["Alt+→"], pages: FILM, repeats: true },
  { id: "cut_ten_back", title: "Move the cut ten frames back", group: "Cuts", chords: ["Alt+Shift+←"], pages: FILM, repeats: true },
  { id: "cut_ten_forth", title: "Move the cut ten frames on", group: "Cuts", chords: ["Alt+Shift+→"], pages: FILM, repeats: true },
  { id: "cut_confirm", title: "This cut is right", group: "Cuts", chords: ["C"], pages: FILM },
  { id: "commit", title: "Commit the moved cut", group: "Cuts", chords: ["Enter"], pages: FILM },
  { id: "cancel", title: "Cancel", group: "Cuts", chords: ["Esc"] },
  { id: "select_all", title: "Select all", group: "Grid", chords: ["Ctrl+A"], pages: TILES },
  { id: "open", title: "Open in review", group: "Grid", chords: ["Enter"], pages: TILES },
  { id: "stack", title: "Stack near-identical clips", group: "Grid", chords: ["D"], pages: ["grid"] },
  { id: "zoom_in", title: "Zoom in", group: "Timeline", chords: ["+", "="], pages: ["timeline"], repeats: true },
  { id: "zoom_out", title: "Zoom out", group: "Timeline", chords: ["-"], pages: ["timeline"], repeats: true },
  { id: "similar", title: "Find similar clips", group: "Anywhere", chords: ["F"], pages: ["review", "grid", "search"] },
  { id: "palette", title: "Find anything", group: "Anywhere", chords: ["Ctrl+K"] },
  { id: "help", title: "Show the keys", group: "Anywhere", chords: ["?"] },
  { id: "go_review", title: "Review", group: "Anywhere", chords: ["1"] },
  { id: "go_grid", title: "Grid", group: "Anywhere", chords: ["2"] },
  { id: "go_timeline", title: "Timeline", group: "Anywhere", chords: ["3"] },
  { id: "go_pipeline", title: "Pipeline", group: "Anywhere", chords: ["4"] },
  { id: "go_search", title: "Search", group: "Anywhere", chords: ["5"] },
  { id: "go_failed", title: "Failed", group: "Anywhere", chords: ["6"] },
];

const BY_ID = new Map(ACTIONS.map((action) => [action.id, action]));

/** The keys of an action as they are for this person. */
export function chordsOf(id: string): string[] {
  return settings.value.keys[id] ?? BY_ID.get(id)?.chords ?? [];
}

/** Actions by key, for the page that is shown; of two on one key the page's own wins. */
export function actionsFor(page: Page, keys: Record<string, string[]>): Map<string, Action> {
  const found = new Map<string, Action>();
  for (const action of ACTIONS) {
    if (action.pages && !action.pages.includes(page)) continue;
    for (const chord of keys[action.id] ?? action.chords) if (action.pages || !found.has(chord)) found.set(chord, action);
  }
  return found;
}

/** Whether two actions can ever be asked for on one page. */
export function meet(a: Action, b: Action): boolean {
  return !a.pages || !b.pages || a.pages.some((page) => b.pages?.includes(page));
}

/** Give an action other keys; whichever other action of the same pages had them loses them. */
export function rebind(id: string, chords: string[]): void {
  const keys = { ...settings.value.keys };
  const action = BY_ID.get(id);
  if (!action) return;
  for (const other of ACTIONS) {
    if (other.id === id || !meet(action, other)) continue;
    const had = keys[other.id] ?? other.chords;
    if (had.some((chord) => chords.includes(chord))) keys[other.id] = had.filter((chord) => !chords.includes(chord));
  }
  keys[id] = chords;
  set({ keys });
}

type Run = (() => void) | undefined;
const handlers = new Map<string, Run[]>();
const bound = computed(() => actionsFor(route.value.page, settings.value.keys));

/** What actions do while a page is shown; the last that says something about an action is asked, and what holds everywhere after all. */
export function useActions(does: Record<string, () => void>, everywhere = false): void {
  const now = useRef(does);
  now.current = does;
  // Before anything of it is seen: a key pressed at the first sight of a page is not lost.
  useLayoutEffect(() => {
    const mine = Object.keys(now.current).map((id) => [id, () => now.current[id]?.()] as const);
    for (const [id, run] of mine) handlers.set(id, everywhere ? [run, ...(handlers.get(id) ?? [])] : [...(handlers.get(id) ?? []), run]);
    return () => {
      for (const [id, run] of mine) handlers.set(id, (handlers.get(id) ?? []).filter((one) => one !== run));
    };
  }, []);
}

let onTheirWay = 0;
let pressed: { page: Page; id: string }[] = [];

/** While a page is on its way, keys that are meant for it wait; what they mean is done once it `came`. */
export function useKeysLater(waits: boolean, came: () => boolean): void {
  useLayoutEffect(() => {
    if (!waits) return;
    onTheirWay += 1;
    return () => {
      onTheirWay -= 1;
      if (onTheirWay) return;
      const keys = pressed;
      pressed = [];
      if (came()) for (const { page, id } of keys) if (page === route.peek().page) perform(id);
    };
  }, [waits]);
}

/** Do an action, if anything here can. */
export function perform(id: string): boolean {
  const run = handlers.get(id)?.at(-1);
  if (run) atOnce(run);
  return run !== undefined;
}

/** Whether anything here can do an action. */
export const can = (id: string): boolean => Boolean(handlers.get(id)?.length);

const EDITABLE = "input:not([type=range]):not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]";

/** A key was pressed: do what it stands for. */
export function onKey(event: KeyboardEvent): void {
  const chord = chordOf(event as Pressed);
  const target = event.target instanceof Element ? event.target : null;
  if (!chord || event.defaultPrevented || event.isComposing) return;
  if (target?.closest(EDITABLE) && chord !== "Esc" && chord !== "Ctrl+K") return;
  // A button or a link that has the focus is pressed by these two keys; a slider moves by the arrows.
  if (target?.closest("button, a, summary, [role=option]") && (chord === "Space" || chord === "Enter")) return;
  if (target?.closest("input") && /^(Shift\+)?(←|→|↑|↓|Home|End|PageUp|PageDown)$/.test(chord)) return;
  // An open dialog has the keys to itself; Esc closes it by itself.
  if (document.querySelector("dialog[open]") && !["Ctrl+K", "?"].includes(chord)) return;
  const action = bound.value.get(chord);
  const waits = onTheirWay > 0 && action?.pages !== undefined;
  if (!action || !(waits || can(action.id))) return;
  event.preventDefault();
  if (event.repeat && !action.repeats) return;
  if (waits) pressed.push({ page: route.peek().page, id: action.id });
  else perform(action.id);
}
