// How well words fit a name: whole beginnings first, then parts, then letters in order.

function score(words: string, name: string): number {
  if (!words) return 1;
  const said = words.toLowerCase();
  const text = name.toLowerCase();
  if (text.startsWith(said)) return 4;
  if (text.split(/[^\p{L}\p{N}]+/u).some((part) => part.startsWith(said))) return 3;
  if (text.includes(said)) return 2;
  let at = -1;
  for (const letter of said.replaceAll(" ", "")) {
    at = text.indexOf(letter, at + 1);
    if (at < 0) return 0;
  }
  return 1;
}

/** Those that fit, the best first; equals stay in their order. */
export function rank<T>(words: string, all: readonly T[], nameOf: (one: T) => string): T[] {
  return all
    .map((one, n) => ({ one, n, fit: score(words, nameOf(one)) }))
    .filter(({ fit }) => fit > 0)
    .sort((a, b) => b.fit - a.fit || a.n - b.n)
    .map(({ one }) => one);
}
