// Beside the picture: what this clip is, what is written to it, and what was decided last.

import type { Signal } from "@preact/signals";
import { useSignal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { Clip } from "../../api/types";
import { lengthOf, spanOf } from "../../lib/time";
import { Button } from "../../parts/bits";
import { Icon } from "../../parts/icons";
import { Others } from "../../parts/others";
import { chordsOf } from "../../state/actions";
import { desk } from "../../state/desk";
import { set, settings, type Settings } from "../../state/me";
import { pathOf } from "../../state/route";
import { nameOf, PAST } from "../../state/words";
import type { Chosen } from "./review";
import { DOUBT } from "./strips";

/** What fills half of a measure's bar. */
const USUAL = 8;

interface Props {
  writing: Signal<"tags" | "note" | null>;
  chosen: Signal<Chosen | null>;
  onCut: (operation: "remove" | "confirm") => void;
  onCommit: () => void;
}

export function Rail({ writing, chosen, onCut, onCommit }: Props) {
  const clip = desk.current.value;
  return (
    <aside class="rail" aria-label="About this clip">
      {clip && <Facts clip={clip} />}
      {clip && chosen.value && (
        <section class="card" aria-label="The chosen cut">
          <h2>
            Cut at frame <span class="time">{chosen.value.to}</span>
          </h2>
          <p class="quiet">Alt + arrows move it, with Shift by ten. Or drag the frames.</p>
          <div class="row">
            <Button label="Commit" action="commit" kind="solid" disabled={chosen.value.to === chosen.value.frame} onPress={onCommit} />
            <Button label="Right as it is" action="cut_confirm" onPress={() => onCut("confirm")} />
            <Button label="Remove" action="cut_remove" onPress={() => onCut("remove")} />
          </div>
        </section>
      )}
      {clip && <Words key={clip.id} clip={clip} writing={writing} />}
      <Last />
      <section class="card foot">
        <label class="field">
          <span class="quiet">Order</span>
          <select
            value={settings.value.order}
            onChange={(event) => {
              set({ order: event.currentTarget.value as Settings["order"] });
              event.currentTarget.blur();
              desk.reorder();
            }}
          >
            <option value="video">by video</option>
            <option value="oldest">oldest first</option>
            <option value="least_certain">least certain cut first</option>
            <option value="random">at random</option>
          </select>
        </label>
      </section>
    </aside>
  );
}

function Facts({ clip }: { clip: Clip }) {
  const length = lengthOf(clip);
  return (
    <section class="card" aria-label="Facts">
      <h1 class="title">
        <a href={pathOf("video", clip.video_id)} data-page="video" title="What happened to this video">
          {nameOf(clip)}
        </a>
      </h1>
      <Others video={clip.video_id} />
      <p class="time" data-span>
        {spanOf(clip)}
      </p>
      <dl class="facts">
        <div>
          <dt>length</dt>
          <dd>
            <span data-length>{length === null ? "–" : `${(length / 1000).toFixed(3)} s`}</span>
          </dd>
        </div>
        <div>
          <dt>frames</dt>
          <dd data-frames>
            {clip.frames} <span class="quiet">({`${clip.start}–${clip.end - 1}`})</span>
          </dd>
        </div>
        <Confidence name="cut in" value={clip.confidence_in} none="start of video" />
        <Confidence name="cut out" value={clip.confidence_out} none="end of video" />
        <Measure name="motion" value={clip.motion} />
        <Measure name="sharp" value={clip.sharpness} />
      </dl>
      <div class="row">
        <a class="button quiet" href={pathOf("timeline", clip.video_id)} data-page="timeline">
          <Icon name="film" />
          Timeline
        </a>
        <a class="button quiet" href={pathOf("search", null, { like: clip.id })} data-page="search">
          <Icon name="search" />
          Similar
        </a>
      </div>
    </section>
  );
}

function Confidence({ name, value, none }: { name: string; value: number | null; none: string }) {
  const doubt = value !== null && value < DOUBT;
  return (
    <div>
      <dt>{name}</dt>
      <dd class={doubt ? "doubt" : ""}>
        {value === null ? <span class="quiet">{none}</span> : value.toFixed(2)}
        {doubt && <Icon name="doubt" />}
        {doubt && <span class="sr">in doubt</span>}
      </dd>
    </div>
  );
}

/** A measure that has no end: half of the bar is where most films are, and small differences between small values are seen. */
function Measure({ name, value }: { name: string; value: number | null }) {
  if (value === null) return null;
  return (
    <div>
      <dt>{name}</dt>
      <dd class="measure">
        <span class="bar-of" aria-hidden="true">
          <i style={{ width: `${(100 * value) / (value + USUAL)}%` }} />
        </span>
        {value.toFixed(1)}
      </dd>
    </div>
  );
}

const hint = (action: string): string => {
  const [chord] = chordsOf(action);
  return chord ? ` (${chord})` : "";
};

function Words({ clip, writing }: { clip: Clip; writing: Props["writing"] }) {
  const tag = useSignal("");
  const note = useSignal(clip.note);
  const tagField = useRef<HTMLInputElement>(null);
  const noteField = useRef<HTMLTextAreaElement>(null);
  /** The note that was told last: another's that came since is not written over by the one that stood here. */
  const told = useRef(clip.note);
  // At once: what is typed next is meant for the field, and would be verdicts otherwise.
  useLayoutEffect(() => {
    if (writing.value === "tags") tagField.current?.focus();
    if (writing.value === "note") noteField.current?.focus();
  }, [writing.value]);
  const add = (): void => {
    const words = tag.value
      .split(",")
      .map((word) => word.trim())
      .filter((word) => word && !clip.tags.includes(word));
    tag.value = "";
    if (words.length) void desk.annotate(clip, [...clip.tags, ...new Set(words)], clip.note);
  };
  const keep = (): void => {
    const said = note.value.trim();
    if (said === told.current) return;
    told.current = said;
    void desk.annotate(clip, clip.tags, said);
  };
  // What was typed is meant for this clip also where the verdict comes by the mouse, and the field goes.
  const end = useRef(() => {});
  end.current = () => {
    add();
    keep();
  };
  useLayoutEffect(() => () => end.current(), []);
  return (
    <section class="card words" aria-label="Tags and note">
      <div class="tags">
        {clip.tags.map((word) => (
          <button
            type="button"
            key={word}
            class="tag"
            aria-label={`Remove the tag ${word}`}
            title="Remove this tag"
            onMouseDown={(event) => event.preventDefault()}
            onClick={() => void desk.annotate(clip, clip.tags.filter((one) => one !== word), clip.note)}
          >
            {word}
            <Icon name="close" />
          </button>
        ))}
        <input
          ref={tagField}
          class="tag-field"
          placeholder={`Add a tag${hint("tags")}`}
          aria-label="Add a tag"
          maxLength={64}
          value={tag.value}
          onInput={(event) => (tag.value = event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter") add();
            if (event.key === "Enter" || event.key === "Escape") {
              writing.value = null;
              event.currentTarget.blur();
              event.stopPropagation();
            }
          }}
          onBlur={add}
        />
      </div>
      <textarea
        ref={noteField}
        rows={note.value || writing.value === "note" ? 2 : 1}
        placeholder={`Write a note${hint("note")}`}
        aria-label="Note"
        maxLength={4000}
        value={note.value}
        onInput={(event) => (note.value = event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") note.value = told.current;
          if (event.key === "Escape" || (event.key === "Enter" && !event.shiftKey)) {
            event.preventDefault();
            event.stopPropagation();
            event.currentTarget.blur();
          }
        }}
        onBlur={() => {
          writing.value = null;
          keep();
        }}
      />
    </section>
  );
}

function Last() {
  return (
    <section class="card last" aria-labelledby="last-title">
      <h2 id="last-title">Last verdicts</h2>
      {desk.lines.shown.value.length === 0 && (
        <p class="quiet">
          None yet. One key is one verdict, and any of them is taken back with <kbd>U</kbd>. <kbd>?</kbd> shows all keys.
        </p>
      )}
      <ol class="lines">
        {desk.lines.shown.value.map((line) => (
          <li key={line.id} class="line" data-state={line.state} data-tone={line.state === "refused" ? "failed" : line.word}>
            <Icon name={line.state === "refused" ? "failed" : line.word} />
            <span class="word">{line.state === "refused" ? "refused" : PAST[line.word]}</span>
            <span class="what">{line.what}</span>
            {line.state === "waiting" && <span class="quiet" role="status">…</span>}
            {line.why && <span class="why">{line.why}</span>}
          </li>
        ))}
      </ol>
    </section>
  );
}
