// Who sits here, and how they like it. Settings are the person's, not the browser's: the server keeps them.

import { computed, effect, signal } from "@preact/signals";
import { get, send } from "../api/client";
import type { Me } from "../api/types";
import { askPeople } from "./people";
import { say } from "./toasts";

export interface Settings {
  theme: "system" | "dark" | "light";
  sound: boolean;
  order: "video" | "oldest" | "least_certain" | "random";
  /** Chords that differ from the usual ones, by action. */
  keys: Record<string, string[]>;
}

const USUAL: Settings = { theme: "system", sound: false, order: "video", keys: {} };
const SAVE_MS = 500;
const NAME = "heaters.settings";

export const me = signal<Me | null>(null);
export const settings = signal<Settings>(local());
export const mayReview = computed(() => me.value === null || me.value.roles.some((role) => role === "reviewer" || role === "lead"));
export const mayOperate = computed(() => me.value === null || me.value.roles.some((role) => role === "ops" || role === "lead"));
export const mayKeep = computed(() => me.value?.roles.includes("ops") ?? false);
export const mayIngest = computed(
  () => me.value === null || me.value.roles.some((role) => role === "ingest" || role === "ops" || role === "lead"),
);

function read(said: unknown): Settings {
  const from = (said ?? {}) as Partial<Settings>;
  const one = <T>(value: unknown, of: readonly T[], usual: T): T => (of.includes(value as T) ? (value as T) : usual);
  const keys: Record<string, string[]> = {};
  for (const [action, chords] of Object.entries(from.keys ?? {})) {
    if (Array.isArray(chords) && chords.every((chord) => typeof chord === "string")) keys[action] = chords;
  }
  return {
    theme: one(from.theme, ["system", "dark", "light"], USUAL.theme),
    sound: from.sound === true,
    order: one(from.order, ["video", "oldest", "least_certain", "random"], USUAL.order),
    keys,
  };
}

/** What this browser remembers, so that the first picture is right already. */
function local(): Settings {
  try {
    return read(JSON.parse(localStorage.getItem(NAME) ?? "{}"));
  } catch {
    return USUAL;
  }
}

let saving: ReturnType<typeof setTimeout> | null = null;
/** What was changed and is not kept yet; nothing is, before the server's are known. Another page's changes stay as they are. */
let unsaved: Partial<Settings> = {};
let known = false;

/** Change a setting; it is shown at once and kept behind. */
export function set(change: Partial<Settings>): void {
  settings.value = { ...settings.value, ...change };
  unsaved = { ...unsaved, ...change };
  if (known) keepSoon();
}

function keepSoon(): void {
  if (saving) clearTimeout(saving);
  saving = setTimeout(keep, SAVE_MS);
}

function keep(): void {
  if (saving) clearTimeout(saving);
  saving = null;
  const sent = unsaved;
  unsaved = {};
  send("PATCH", "/api/me/settings", { settings: sent }, undefined, { keepalive: true }).catch((error: Error) => {
    unsaved = { ...sent, ...unsaved };
    say("failed", `Your settings are kept in this browser only: ${error.message}`);
  });
}

addEventListener("pagehide", () => saving && keep());

/** Ask who sits here and how they like it. */
export async function load(): Promise<void> {
  const [who, kept] = await Promise.all([get<Me>("/api/me"), get<{ settings: unknown }>("/api/me/settings")]);
  me.value = who;
  // What this browser remembers may be somebody else's.
  settings.value = { ...read(kept.settings), ...unsaved };
  if (Object.keys(unsaved).length) keepSoon();
  known = true;
  askPeople();
}

/** End the session. What waits to be sent stays in this browser, and is sent when its owner is back. */
export async function signOut(): Promise<void> {
  try {
    await fetch("/signout", { method: "POST", redirect: "manual" });
    location.assign("/");
  } catch (error) {
    say("failed", `You are still signed in: ${error instanceof Error ? error.message : String(error)}`);
  }
}

effect(() => {
  const { theme } = settings.value;
  if (theme === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme;
  try {
    localStorage.setItem(NAME, JSON.stringify(settings.value));
  } catch {
    // The browser keeps nothing: the server does.
  }
});
