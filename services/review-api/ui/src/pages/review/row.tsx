// Where one is in the work: the two clips before, this one, the five after.

import type { Clip } from "../../api/types";
import { lengthText } from "../../lib/time";
import { Frame } from "../../parts/bits";
import { Icon } from "../../parts/icons";
import { desk } from "../../state/desk";
import { nameOf, PAST, type Word } from "../../state/words";

const BEFORE = 2;
const AFTER = 5;

export function Row() {
  const past = desk.past.value.slice(0, BEFORE);
  const clips = desk.clips.value.slice(0, 1 + AFTER);
  const cells = [
    ...Array.from({ length: BEFORE }, (_, n) => past[BEFORE - 1 - n] ?? null).map((one) => (one ? { clip: one.clip, word: one.word } : null)),
    ...Array.from({ length: 1 + AFTER }, (_, n) => (clips[n] ? { clip: clips[n] as Clip, word: null as Word | null } : null)),
  ];
  return (
    <ol class="row-of-clips" aria-label="Clips before and after">
      {cells.map((cell, n) => (
        <li key={cell ? cell.clip.id : n} aria-current={n === BEFORE ? "true" : undefined} data-tone={cell?.word ?? undefined}>
          {cell ? <Thumb clip={cell.clip} word={cell.word} /> : <span class="frame" />}
        </li>
      ))}
    </ol>
  );
}

function Thumb({ clip, word }: { clip: Clip; word: Word | null }) {
  const label = `${nameOf(clip)}, frames ${clip.start} to ${clip.end - 1}${word ? `, ${PAST[word]}` : ""}`;
  return (
    <>
      <Frame video={clip.video_id} frame={clip.start + (clip.frames >> 1)} alt={label} />
      <span class="thumb-foot">
        {word ? <Icon name={word === "cut" ? "cut" : word === "note" ? "note" : word} /> : null}
        <span class="time">{lengthText(clip)}</span>
      </span>
    </>
  );
}
