// Pictures are made on demand by the server, and a browser has six connections to it: unless they wait for each other, a verdict waits
// for pictures. Those that are wanted first come first; what is not wanted any more before its turn is never asked for.

import { whenQuiet } from "./hurry";

const AT_ONCE = 2;
const waiting = new Set<() => void>();
let going = 0;

function next(): void {
  for (const begin of waiting) {
    if (going >= AT_ONCE) return;
    waiting.delete(begin);
    going += 1;
    begin();
  }
}

/** Wait for one's turn; `begin` is called when it comes. Returns what ends it, whether it came or not. */
export function takeTurn(begin: () => void): () => void {
  let ended = false;
  waiting.add(begin);
  whenQuiet(next);
  return () => {
    if (ended) return;
    ended = true;
    if (!waiting.delete(begin)) going -= 1;
    whenQuiet(next);
  };
}
