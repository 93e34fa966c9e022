// One file to the store, in parts that go straight there: a lost connection costs one part, and whoever begins again, even after a
// reload, goes on where it broke off.

import { Refused, send, Unreachable } from "./client";
import type { Upload } from "./types";

interface InParts {
  id: string;
  bytes: number;
  part_bytes: number;
  parts: number;
  done: number[];
}

interface PartUrl {
  part: number;
  url: string;
  bytes: number;
}

const HEAD_BYTES = 4096;
const URLS_AT_ONCE = 20;
const AT_ONCE = 3;
const TRIES = 6;
const FIRST_PAUSE_MS = 500;

/** A pause that ends at once when it is stopped. */
function wait(ms: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => end(), ms);
    const end = (): void => {
      clearTimeout(timer);
      stop.removeEventListener("abort", end);
      resolve();
    };
    stop.addEventListener("abort", end);
  });
}

/** Send a whole file; `onSent` is told how many bytes of it are there. */
export async function uploadFile(file: File, onSent: (bytes: number) => void, stop: AbortSignal): Promise<Upload> {
  const head = new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer());
  const session = await send<InParts>("POST", "/api/uploads/parts", {
    name: file.name,
    bytes: file.size,
    content_type: file.type,
    resume_key: `${file.name} ${file.size} ${file.lastModified}`.slice(0, 200),
    head: btoa(String.fromCharCode(...head)),
  });
  const path = `/api/uploads/parts/${session.id}`;
  const sizeOf = (part: number): number => Math.min(session.part_bytes, session.bytes - (part - 1) * session.part_bytes);
  const done = new Set(session.done);
  const going = new Map<number, number>();
  const tell = (): void => {
    let sent = 0;
    for (const part of done) sent += sizeOf(part);
    for (const [part, bytes] of going) if (!done.has(part)) sent += bytes;
    onSent(sent);
  };
  tell();
  const missing = Array.from({ length: session.parts }, (_, n) => n + 1).filter((part) => !done.has(part));
  for (let at = 0; at < missing.length; at += URLS_AT_ONCE) {
    stop.throwIfAborted();
    const wanted = missing.slice(at, at + URLS_AT_ONCE);
    const { items } = await send<{ items: PartUrl[] }>("POST", `${path}/urls`, { parts: wanted });
    const queue = [...items];
    const worker = async (): Promise<void> => {
      for (let one = queue.shift(); one; one = queue.shift()) {
        const begin = (one.part - 1) * session.part_bytes;
        await putPart(path, one, file.slice(begin, begin + one.bytes), (bytes) => (going.set(one?.part ?? 0, bytes), tell()), stop);
        done.add(one.part);
        tell();
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  }
  stop.throwIfAborted();
  return send<Upload>("POST", `${path}/complete`, {});
}

/** Send one part, again and again while the network is away; an address that has expired is asked for anew. */
async function putPart(path: string, one: PartUrl, bytes: Blob, onSent: (bytes: number) => void, stop: AbortSignal): Promise<void> {
  let url = one.url;
  for (let tries = 1; ; tries += 1) {
    try {
      await put(url, bytes, onSent, stop);
      return;
    } catch (error) {
      if (stop.aborted || tries >= TRIES || (error instanceof Refused && error.status !== 403)) throw error;
      await wait(FIRST_PAUSE_MS * 2 ** (tries - 1), stop);
      if (stop.aborted) throw error;
      if (error instanceof Refused) {
        const { items } = await send<{ items: PartUrl[] }>("POST", `${path}/urls`, { parts: [one.part] });
        url = items[0]?.url ?? url;
      }
    }
  }
}

/** XMLHttpRequest, because fetch tells nothing of what was sent. */
function put(url: string, bytes: Blob, onSent: (bytes: number) => void, stop: AbortSignal): Promise<void> {
  stop.throwIfAborted();
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const abort = (): void => request.abort();
    request.open("PUT", url);
    request.upload.addEventListener("progress", (event) => onSent(event.loaded));
    request.addEventListener("load", () => {
      if (request.status >= 200 && request.status < 300) resolve();
      else if (request.status >= 500) reject(new Unreachable(`The store answered ${request.status}.`));
      else reject(new Refused(request.status, { detail: `The store refused a part: ${request.status}.` }));
    });
    request.addEventListener("error", () => reject(new Unreachable("The connection to the store was lost.")));
    request.addEventListener("abort", () => reject(new Unreachable("stopped")));
    request.addEventListener("loadend", () => stop.removeEventListener("abort", abort));
    stop.addEventListener("abort", abort);
    request.send(bytes);
  });
}

