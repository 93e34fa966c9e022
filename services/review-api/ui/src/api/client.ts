// The API, as thin as it can be: every answer is JSON, every error says what is wrong.

/** The server understood, and said no: to ask again would not help. */
export class Refused extends Error {
  readonly status: number;
  readonly title: string;
  readonly rule: string | null;

  constructor(status: number, problem: { title?: string; detail?: string; rule?: string }) {
    super(problem.detail || problem.title || `The server answered ${status}.`);
    this.status = status;
    this.title = problem.title ?? "";
    this.rule = problem.rule ?? null;
  }
}

/** The server could not be asked, or does not work now: trying again may help. */
export class Unreachable extends Error {}

/** Nobody is signed in here any more. */
export class SignedOut extends Unreachable {}

export type Query = Record<string, string | number | boolean | null | undefined | readonly string[]>;

/** An address with its parameters; those that are null or empty are left out. */
export function address(path: string, query: Query = {}): string {
  const said = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === null || value === undefined || value === "") continue;
    if (typeof value === "object") for (const one of value) said.append(name, one);
    else said.append(name, String(value));
  }
  const text = said.toString();
  return text ? `${path}?${text}` : path;
}

async function answerOf(path: string, init: RequestInit): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(path, init);
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new Unreachable("The server cannot be reached.");
  }
  if (answer.ok) return answer;
  const problem = (await answer.json().catch(() => ({}))) as { title?: string; detail?: string; rule?: string };
  if (answer.status === 401) throw new SignedOut("You are not signed in any more.");
  if ([502, 503, 504].includes(answer.status)) throw new Unreachable(problem.detail ?? `The server answered ${answer.status}.`);
  throw new Refused(answer.status, problem);
}

async function json<T>(path: string, init: RequestInit): Promise<T> {
  const answer = await answerOf(path, { ...init, headers: { accept: "application/json", ...init.headers } });
  return (answer.status === 204 ? undefined : await answer.json()) as T;
}

/** Ask for something. */
export function get<T>(path: string, query?: Query, signal?: AbortSignal): Promise<T> {
  return json<T>(address(path, query), signal ? { signal } : {});
}

/** Ask for bytes. */
export async function getBytes(path: string, signal?: AbortSignal): Promise<ArrayBuffer> {
  return (await answerOf(path, signal ? { signal } : {})).arrayBuffer();
}

/** Tell something, under a key by which the server knows it again. */
export function send<T>(method: "POST" | "PUT" | "PATCH", path: string, body: unknown, key?: string, more: RequestInit = {}): Promise<T> {
  const headers: Record<string, string> = { "content-type": "application/json" };
  if (key) headers["idempotency-key"] = key;
  return json<T>(path, { ...more, method, body: JSON.stringify(body), headers });
}

/** A part of an export: how many clips it has, and where the next begins. Its bytes are left to whoever downloads it. */
export async function nextPart(path: string): Promise<{ clips: number; next: string | null }> {
  const stop = new AbortController();
  const answer = await answerOf(path, { signal: stop.signal });
  stop.abort();
  return { clips: Number(answer.headers.get("x-heaters-clips")), next: answer.headers.get("x-heaters-next") };
}

/** A name for one press of a key. crypto.randomUUID is missing over plain http on a LAN name. */
export function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The exact clip, as a film. */
export const playAddress = (clip: string, sound: boolean): string => `/api/clips/${clip}/play.mp4${sound ? "?audio=1" : ""}`;

/** The file of a clip that is exported. */
export const downloadAddress = (clip: string): string => `/api/clips/${clip}/download`;

/** Everything that changes, and who is where. */
const TOPICS = ["video", "segment", "clip", "decision", "stage", "presence"] as const;
export const eventsAddress = (after: string | null): string => address("/api/events", { topic: TOPICS, after });

/** One frame of a video, as a picture. */
export const frameAddress = (video: string, frame: number): string => `/api/videos/${video}/frames/${frame}.jpg`;
