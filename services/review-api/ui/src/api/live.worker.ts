// One live connection for all tabs of a browser: over HTTP/1.1 a connection a tab would stall the sixth.

import type { Change } from "./types";

export type Word = { kind: "state"; state: "live" | "reconnecting" } | { kind: "change"; change: Change };

const AGAIN_MS = 1500;
const ports = new Set<MessagePort>();
let events: EventSource | null = null;
let live = false;
let last: string | null = null;

function tell(word: Word): void {
  for (const port of ports) port.postMessage(word);
}

function open(): void {
  if (events && events.readyState !== EventSource.CLOSED) return;
  events?.close();
  const now = new EventSource(last ? `/api/events?after=${last}` : "/api/events");
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
  open();
}

(self as unknown as { onconnect: (event: MessageEvent) => void }).onconnect = (event) => {
  const port = event.ports[0];
  if (port) join(port);
};
