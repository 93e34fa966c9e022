// Films that do not play: why, told to those who look and to the server.

import { signal } from "@preact/signals";
import { playAddress, send } from "../api/client";

export type Cause = "object" | "decoding" | "network";

export interface Trouble {
  cause: Cause;
  detail: string;
}

const CAUSES: Record<Cause, string> = {
  object: "Its bytes could not be had",
  decoding: "This browser cannot decode it",
  network: "The network was lost",
};

/** What is wrong with a clip, in a sentence. */
export const said = ({ cause, detail }: Trouble): string => `${CAUSES[cause]}: ${detail}`;

/** Why an element does not play a clip: its bytes are not to be had, they are no film, or nobody answers. */
export async function explain(clip: string, sound: boolean, video: HTMLVideoElement): Promise<Trouble> {
  const detail = video.error?.message || `media error ${video.error?.code ?? 0}`;
  try {
    const answer = await fetch(playAddress(clip, sound), { headers: { range: "bytes=0-0" } });
    if (answer.ok) return { cause: "decoding", detail };
    const problem = (await answer.json().catch(() => ({}))) as { detail?: string };
    return { cause: "object", detail: problem.detail ?? `The server answered ${answer.status}.` };
  } catch (error) {
    return { cause: "network", detail: error instanceof Error ? error.message : String(error) };
  }
}

/** The clips of a page that do not play. Each cause is reported once in a row. */
export class Broken {
  readonly found = signal<Readonly<Record<string, Trouble>>>({});

  /** A clip does not play; with no cause, it does after all. */
  readonly tell = (clip: string, cause: Cause | null, detail: string): void => {
    const { [clip]: before, ...others } = this.found.peek();
    if (before && !cause) this.found.value = others;
    if (!cause) return;
    this.found.value = { ...others, [clip]: { cause, detail } };
    if (before?.cause === cause) return;
    send("POST", "/api/player-errors", { clip, cause, detail: detail.slice(0, 500) }).catch(() => {});
  };
}
