// Files and addresses on their way in. A file is sent in parts, so that a lost connection costs one part and not all of it.

import { signal } from "@preact/signals";
import { newKey, Refused, send } from "../api/client";
import type { Admission } from "../api/types";
import { uploadFile } from "../api/upload";
import { say } from "./toasts";
import { refreshVideos } from "./videos";

export interface Incoming {
  id: string;
  name: string;
  bytes: number;
  sent: number;
  state: "sending" | "asking" | "stopped" | "failed";
  problem: string;
  file: File;
  abort: AbortController;
}

const AT_ONCE = 2;
export const incoming = signal<readonly Incoming[]>([]);

const edit = (id: string, change: Partial<Incoming>): void => {
  incoming.value = incoming.value.map((one) => (one.id === id ? { ...one, ...change } : one));
};

/** Take files in, a few at once, and ask for each as a video. */
export function takeFiles(files: readonly File[]): void {
  const fresh = files.map((file) => ({
    id: newKey(),
    name: file.name,
    bytes: file.size,
    sent: 0,
    state: "sending" as const,
    problem: "",
    file,
    abort: new AbortController(),
  }));
  const empty = fresh.filter((one) => one.bytes === 0);
  for (const one of empty) say("refused", `${one.name} is empty.`);
  incoming.value = [...incoming.value, ...fresh.filter((one) => one.bytes > 0)];
  pump();
}

const running = new Set<string>();

function pump(): void {
  for (const one of incoming.value) {
    if (running.size >= AT_ONCE) return;
    if (one.state === "sending" && !running.has(one.id)) void bring(one);
  }
}

async function bring(one: Incoming): Promise<void> {
  running.add(one.id);
  try {
    const stored = await uploadFile(one.file, (sent) => edit(one.id, { sent }), one.abort.signal);
    one.abort.signal.throwIfAborted();
    edit(one.id, { state: "asking", sent: one.bytes });
    await ask({ kind: "upload", key: stored.key, name: one.name });
    incoming.value = incoming.value.filter((other) => other.id !== one.id);
    refreshVideos();
  } catch (error) {
    if (one.abort.signal.aborted) edit(one.id, { state: "stopped", problem: "stopped" });
    else edit(one.id, { state: "failed", problem: error instanceof Error ? error.message : String(error) });
  } finally {
    running.delete(one.id);
    pump();
  }
}

/** Go on with what was stopped or has failed: what arrived already is not sent again. */
export function resumeUpload(id: string): void {
  edit(id, { state: "sending", problem: "", abort: new AbortController() });
  pump();
}

/** Stop one, and take it off the list if it is stopped already. */
export function stopUpload(id: string): void {
  const one = incoming.value.find((other) => other.id === id);
  if (one?.state === "sending") {
    one.abort.abort();
    if (!running.has(id)) edit(id, { state: "stopped", problem: "stopped" });
  } else incoming.value = incoming.value.filter((other) => other.id !== id);
}

async function ask(source: Record<string, unknown>): Promise<Admission> {
  const said = await send<Admission>("POST", "/api/ingest", { request_id: null, source, lane: "interactive", options: {} });
  if (said.status === "rejected") throw new Refused(422, { detail: said.reason ?? "It was rejected." });
  if (said.status === "duplicate") say("done", "This video is here already.");
  return said;
}

/** Ask for the addresses in a text, one a line; says what is wrong with those that are none. Returns those that could not be asked for. */
export async function takeAddresses(text: string): Promise<string[]> {
  const lines = text.split(/\s+/).filter(Boolean);
  const wrong = lines.filter((line) => !/^https?:\/\/[^/]+/i.test(line));
  if (wrong.length) say("refused", `${wrong[0]?.slice(0, 80)} is no address of a web page: it begins with http:// or https://.`);
  const left = [...wrong];
  let done = 0;
  for (const url of lines.filter((line) => !wrong.includes(line))) {
    try {
      await ask({ kind: "url", url });
      done += 1;
    } catch (error) {
      left.push(url);
      say("refused", `${url.slice(0, 80)}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  if (done) say("done", done === 1 ? "The video was asked for." : `${done} videos were asked for.`);
  refreshVideos();
  return left;
}
