// Short words at the page's edge. Nothing asks "are you sure"; what was done is said, and how it is undone.

import { signal } from "@preact/signals";
import { named } from "./people";

export interface Toast {
  id: number;
  kind: "refused" | "done" | "failed";
  text: string;
  action?: { label: string; run: () => void } | undefined;
}

const SHOWN_MS = 6000;
const MOST = 3;
let last = 0;

export const toasts = signal<readonly Toast[]>([]);

/** Say something for some seconds. */
export function say(kind: Toast["kind"], said: string, action?: Toast["action"]): void {
  const text = named(said);
  last += 1;
  const id = last;
  toasts.value = [...toasts.value.filter((toast) => toast.text !== text), { id, kind, text, action }].slice(-MOST);
  setTimeout(() => drop(id), SHOWN_MS);
}

/** Take one away. */
export function drop(id: number): void {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
}
