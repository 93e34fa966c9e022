// What must be on the screen at once, and what may follow a frame later. At a verdict the next film is shown by hand, without any
// rendering; the rest of the page is rendered, and other films are fetched, after the browser has painted that.

import { options } from "preact";

let hurrying = false;
let hurries = 0;
/** The rendering that waits for a paint. */
let late: (() => void) | null = null;

/** Do something once what has changed until now is painted. */
export function afterPaint(run: () => void): void {
  if (document.visibilityState === "visible") requestAnimationFrame(() => setTimeout(run));
  else setTimeout(run);
}

/** Do something whose own changes of the page are painted before anything is rendered. */
export function hurry(run: () => void): void {
  hurrying = true;
  hurries += 1;
  try {
    run();
  } finally {
    hurrying = false;
  }
}

options.debounceRendering = (render) => {
  if (!hurrying) return queueMicrotask(render);
  late = render;
  afterPaint(render);
};

/** Do something and have it rendered before the next key, though something was hurried before: a field that it shows has that key already. */
export function atOnce(run: () => void): void {
  const before = hurries;
  run();
  if (hurries === before) late?.();
  late = hurries === before ? null : late;
}

const QUIET_MS = 300;
let busy = false;
let waiting: (() => void)[] = [];
let timer: ReturnType<typeof setTimeout> | null = null;

/** Say whether a verdict is on its way. */
export function setBusy(now: boolean): void {
  if (now && !busy) timer ??= setTimeout(() => setBusy(false), QUIET_MS);
  busy = now;
  if (busy) return;
  if (timer) clearTimeout(timer);
  timer = null;
  const ready = waiting;
  waiting = [];
  for (const run of ready) run();
}

/** Do what can wait once no verdict is on its way, for it would delay its answer; it never waits long. */
export function whenQuiet(run: () => void): void {
  if (busy) waiting.push(run);
  else run();
}
