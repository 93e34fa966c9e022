// Names of people: facts, decisions and reasons know them by id only.

import { signal } from "@preact/signals";
import { get } from "../api/client";
import type { People } from "../api/types";

const ID = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;
const AGAIN_MS = 60_000;
const names = signal<ReadonlyMap<string, string>>(new Map());
let asked = -AGAIN_MS;

/** Ask who there is, unless that was asked just now. */
export function askPeople(): void {
  if (performance.now() - asked < AGAIN_MS) return;
  asked = performance.now();
  get<People>("/api/people").then(
    (said) => (names.value = new Map(said.items.map((one) => [one.id, one.name]))),
    () => {},
  );
}

/** The name of somebody; something short until it is known. */
export function personOf(id: string): string {
  if (id.startsWith("system:")) return "a rule";
  const name = names.value.get(id);
  if (name === undefined) askPeople();
  return name ?? (id.length === 36 ? `somebody (${id.slice(0, 8)})` : id);
}

/** A sentence of the server's, with people's names in place of their ids. */
export const named = (text: string): string => text.replace(ID, (id) => names.peek().get(id) ?? id);
