// Keys as people press them. A letter or digit is the physical key, whatever the layout prints on it; a sign is what it prints.

export interface Pressed {
  code: string;
  key: string;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
  shiftKey: boolean;
  getModifierState?(name: "AltGraph"): boolean;
}

/** Signs that are keys of their own. Many layouts have them on a digit, with Shift, AltGr or Option. */
const SIGNS = "/[],.+-?";

const NAMED: Record<string, string> = {
  Space: "Space",
  ArrowLeft: "←",
  ArrowRight: "→",
  ArrowUp: "↑",
  ArrowDown: "↓",
  Backspace: "Backspace",
  Delete: "Delete",
  Enter: "Enter",
  NumpadEnter: "Enter",
  Escape: "Esc",
  Home: "Home",
  End: "End",
  PageUp: "PageUp",
  PageDown: "PageDown",
  Tab: "Tab",
};

/** The name of a press, such as "A", "Shift+G", "Ctrl+Z", "Alt+←", "?"; null for a modifier alone. */
export function chordOf(event: Pressed): string | null {
  let base: string;
  let shift = event.shiftKey;
  const altGraph = event.getModifierState?.("AltGraph") ?? false;
  const onDigit = event.code.startsWith("Digit") && (shift || event.altKey);
  if ((altGraph || onDigit) && event.key.length === 1 && SIGNS.includes(event.key)) return event.key;
  if (/^Key[A-Z]$/.test(event.code)) base = event.code.slice(3);
  else if (/^(Digit|Numpad)[0-9]$/.test(event.code)) base = event.code.slice(-1);
  else if (NAMED[event.code]) base = NAMED[event.code] as string;
  else if (/^F[0-9]{1,2}$/.test(event.key)) base = event.key;
  else if (event.key.length === 1 && event.key !== " ") {
    base = event.key;
    shift = false;
  } else return null;
  const ctrl = event.ctrlKey || event.metaKey;
  return `${ctrl ? "Ctrl+" : ""}${event.altKey ? "Alt+" : ""}${shift ? "Shift+" : ""}${base}`;
}

/** A chord as it is drawn: its keys, one by one. */
export function keysOf(chord: string): string[] {
  if (chord.endsWith("++")) return [...chord.slice(0, -2).split("+").filter(Boolean), "+"];
  return chord === "+" ? ["+"] : chord.split("+");
}
