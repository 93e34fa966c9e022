// The API, as thin as it can be: every answer is JSON, every error says what is wrong.

export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `the server answered ${status}`);
    this.status = status;
    this.rule = problem.rule;
  }
}

/** The server could not be asked, or does not work now: trying again may help. */
export class Unreachable extends Error {}

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { ...options, headers: { accept: "application/json", ...options.headers } });
  } catch (error) {
    throw new Unreachable(error.message);
  }
  if (answer.status === 401) {
    location.assign("/");
    throw new Unreachable("signed out");
  }
  const body = await answer.json().catch(() => ({}));
  if (answer.ok) return body;
  if (answer.status >= 500) throw new Unreachable(body.detail || `the server answered ${answer.status}`);
  throw new Refused(answer.status, body);
}

function send(path, body, headers = {}) {
  return ask(path, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json", ...headers },
  });
}

/** A name for one press of a key. crypto.randomUUID is missing over plain http on a LAN name. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export const queue = (limit) => ask(`/api/queue?limit=${limit}`);
export const videos = (limit) => ask(`/api/videos?limit=${limit}`);
export const failures = () => ask("/api/failures");
export const progress = () => ask("/api/progress");
export const giveVerdict = (clip, verdict, key, seen) =>
  send(`/api/clips/${clip}/verdict`, { verdict, seen }, { "idempotency-key": key });
export const groupWithNext = (clip, key) => send(`/api/clips/${clip}/group`, { beside: "next" }, { "idempotency-key": key });
export const addCut = (video, frame, version, key) =>
  send(`/api/videos/${video}/cuts`, { operation: "add", frame, version }, { "idempotency-key": key });
export const undo = (key) => send("/api/undo", {}, { "idempotency-key": key });
export const redo = (key) => send("/api/redo", {}, { "idempotency-key": key });
export const request = (url) =>
  send("/api/ingest", { request_id: null, source: { kind: "url", url }, lane: "interactive", options: {} });
export const playAddress = (clip) => `/api/clips/${clip}/play.mp4`;
