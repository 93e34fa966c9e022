// One live connection for all tabs of a browser: over HTTP/1.1 a connection a tab would stall the sixth.

import { eventsAddress } from "./client";
import type { Change, Present, PresentList } from "./types";

export type Word = { kind: "state"; state: "live" | "reconnecting" } | { kind: "change"; change: Change } | { kind: "present"; items: readonly Present[] };

const AGAIN_MS = 1500;
const ports = new Set<MessagePort>();
let events: EventSource | null = null;
let live = false;
let last: string | null = null;
let present: readonly Present[] = [];

function tell(word: Word): void {
  for (const port of ports) port.postMessage(word);
}

function open(): void {
  if (events && events.readyState !== EventSource.CLOSED) return;
  events?.close();
  const now = new EventSource(eventsAddress(last));
  events = now;
  now.addEventListener("open", () => {
    live = true;
    tell({ kind: "state", state: "live" });
  });
  now.addEventListener("error", () => {
    live = false;
    tell({ kind: "state", state: "reconnecting" });
    // A refusal closes it for good: come back by ourselves.
    if (now.readyState === EventSource.CLOSED) setTimeout(() => ports.size && open(), AGAIN_MS);
  });
  now.addEventListener("change", (event) => {
    last = event.lastEventId;
    tell({ kind: "change", change: JSON.parse(event.data as string) as Change });
  });
  now.addEventListener("presence", (event) => {
    present = (JSON.parse((event as MessageEvent<string>).data) as PresentList).items;
    tell({ kind: "present", items: present });
  });
}

function join(port: MessagePort): void {
  ports.add(port);
  port.addEventListener("message", (event) => {
    if (event.data === "bye") {
      ports.delete(port);
      if (!ports.size) {
        events?.close();
        events = null;
        live = false;
      }
    } else if (event.data === "again") {
      // The network may have been away for the page, and the connection have outlived it.
      if (live) port.postMessage({ kind: "state", state: "live" } satisfies Word);
      else {
        events?.close();
        events = null;
        open();
      }
    }
  });
  port.start();
  if (live) port.postMessage({ kind: "state", state: "live" } satisfies Word);
  if (live) port.postMessage({ kind: "present", items: present } satisfies Word);
  open();
}

(self as unknown as { onconnect: (event: MessageEvent) => void }).onconnect = (event) => {
  const port = event.ports[0];
  if (port) join(port);
};
