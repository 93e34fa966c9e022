// What moves while people watch, for the whole page: whether we are connected, and every change once.

import { signal } from "@preact/signals";
import type { Word } from "../api/live.worker";
import { eventsAddress } from "../api/client";
import type { Change, PresentList } from "../api/types";
import { present } from "./presence";

export type LiveState = "connecting" | "live" | "reconnecting" | "offline";

const BATCH_MS = 120;

export const live = signal<LiveState>("connecting");
/** When the connection was lost, milliseconds of the clock; null while it is there. */
export const lostAt = signal<number | null>(null);

type Listener = (changes: readonly Change[]) => void;
const listeners = new Set<Listener>();
const reconnected = new Set<() => void>();
let batch: Change[] = [];
let timer: ReturnType<typeof setTimeout> | null = null;
let again: () => void = () => {};

/** Be told of changes, several at a time; returns how to be told no more. */
export function onChanges(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Be told when the connection is there (again): what was missed meanwhile may have to be asked for. */
export function onLive(listener: () => void): () => void {
  reconnected.add(listener);
  return () => reconnected.delete(listener);
}

function take(change: Change): void {
  batch.push(change);
  timer ??= setTimeout(() => {
    timer = null;
    const changes = batch;
    batch = [];
    for (const listener of listeners) listener(changes);
  }, BATCH_MS);
}

function state(now: "live" | "reconnecting"): void {
  if (now === "live") {
    const before = live.value;
    live.value = "live";
    lostAt.value = null;
    if (before !== "live") for (const listener of reconnected) listener();
  } else {
    live.value = navigator.onLine ? "reconnecting" : "offline";
    lostAt.value ??= Date.now();
    present.value = [];
  }
}

function hear(word: Word): void {
  if (word.kind === "change") take(word.change);
  else if (word.kind === "present") present.value = word.items;
  else state(word.state);
}

/** Connect: through the browser's one worker for all tabs, or by ourselves where it has none. */
export function watch(): void {
  if (typeof SharedWorker === "function") {
    const worker = new SharedWorker(new URL("../api/live.worker.ts", import.meta.url), { type: "module", name: "heaters-live" });
    worker.port.addEventListener("message", (event: MessageEvent<Word>) => hear(event.data));
    worker.port.start();
    again = () => worker.port.postMessage("again");
    addEventListener("pagehide", () => worker.port.postMessage("bye"));
  } else {
    let events = new EventSource(eventsAddress(null));
    const bind = (): void => {
      events.addEventListener("open", () => state("live"));
      events.addEventListener("error", () => state("reconnecting"));
      events.addEventListener("change", (event) => take(JSON.parse(event.data as string) as Change));
      events.addEventListener("presence", (event) => (present.value = (JSON.parse((event as MessageEvent<string>).data) as PresentList).items));
    };
    bind();
    again = () => {
      if (events.readyState !== EventSource.CLOSED) return;
      events = new EventSource(eventsAddress(null));
      bind();
    };
  }
  // A page that is come back to has handed back what it held.
  addEventListener("pageshow", (event) => event.persisted && location.reload());
  addEventListener("offline", () => state("reconnecting"));
  addEventListener("online", () => again());
}

/** Try to connect now. */
export const reconnect = (): void => again();
