// The contact sheet: many clips at a glance, one verdict on any number of them, undone as one.

import { batch, useComputed, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { downloadAddress, get, type Query } from "../../api/client";
import type { Change, ClipIds, ClipState, Verdict } from "../../api/types";
import { among, NONE, without, type Selection } from "../../lib/selection";
import { Button, Notice, stateOf } from "../../parts/bits";
import type { ExportProps } from "../../parts/exporting";
import { Icon } from "../../parts/icons";
import { lazily } from "../../parts/lazy";
import { Tiles } from "../../parts/tiles";
import { perform, useActions } from "../../state/actions";
import { decideAll, groupAll } from "../../state/bulk";
import { peekClip, refreshClips } from "../../state/clips";
import { onChanges, onLive } from "../../state/live";
import { mayReview } from "../../state/me";
import { go, pathOf, route } from "../../state/route";
import { byRule, takeBackRule } from "../../state/rule";
import { say } from "../../state/toasts";
import { videos } from "../../state/videos";
import { stacked, standing, signatureOf } from "./stacks";

const Exporting = lazily<ExportProps>(async () => (await import("../later")).Exporting, true);
const MOST_LOOKED_AT = 500;
const PAGE = 10_000;
const STACK_MOST = 600;
const AGAIN_MS = 1500;
const STATES: readonly ClipState[] = [
  "pending_review",
  "exporting",
  "exported",
  "embedded",
  "review_skipped",
  "review_archived",
  "export_failed",
  "keyframe_failed",
  "embedding_failed",
  "superseded",
];
const ORDERS = { video: "by video", oldest: "oldest first", least_certain: "least certain first" } as const;

interface Filters {
  state: string;
  video: string;
  tag: string;
  group: string;
  certainty_to: string;
  frames_from: string;
  frames_to: string;
  order: string;
}

function filtersOf(query: URLSearchParams): Filters {
  const said = (name: string): string => query.get(name) ?? "";
  return {
    state: query.has("state") ? said("state") : query.has("tag") || query.has("group") ? "" : "pending_review",
    video: said("video"),
    tag: said("tag"),
    group: said("group"),
    certainty_to: said("certainty_to"),
    frames_from: said("frames_from"),
    frames_to: said("frames_to"),
    order: said("order") || "video",
  };
}

/** What of the filters an export knows; it takes clips that are files, in the order of their videos. */
const exportedOf = ({ state: _, order: __, ...rest }: Filters): Query => rest;

export function GridPage() {
  const ids = useSignal<readonly string[]>([]);
  const state = useSignal<"loading" | "ready" | "failed">("loading");
  const problem = useSignal("");
  const selection = useSignal<Selection>(NONE);
  const groups = useSignal<ReadonlyMap<string, readonly string[]>>(new Map());
  const gone = useSignal<ReadonlySet<string>>(new Set());
  const fresh = useSignal(0);
  const exporting = useSignal(false);
  const filters = filtersOf(route.value.query);
  const query = JSON.stringify(filters);
  /** Whether the list that is shown now is the one for which something was begun. */
  const isShown = (): boolean => route.peek().page === "grid" && query === JSON.stringify(filtersOf(route.peek().query));

  const shown = useComputed(() => {
    const left = gone.value;
    const hidden = new Set<string>();
    for (const stack of groups.value.values()) for (const id of stack.slice(1)) hidden.add(id);
    return left.size || hidden.size ? ids.value.filter((id) => !left.has(id) && !hidden.has(id)) : ids.value;
  });

  const loads = useRef(0);
  const load = async (quiet = false): Promise<void> => {
    if (!quiet) state.value = "loading";
    loads.current += 1;
    const asked = loads.current;
    const before = gone.peek();
    const { order, ...wanted } = filtersOf(route.peek().query);
    const found: string[] = [];
    let cursor: string | null = null;
    try {
      do {
        const page: ClipIds = await get<ClipIds>("/api/clips/ids", { ...wanted, order, limit: PAGE, cursor });
        if (asked !== loads.current) return;
        for (const id of page.ids) found.push(id);
        cursor = page.next;
        // The first screen is there before the last page is.
        if (!quiet && ids.peek().length < found.length) batch(() => ((ids.value = [...found]), (state.value = "ready")));
      } while (cursor);
      batch(() => {
        ids.value = found;
        // What was decided since this was asked for is not in it yet.
        gone.value = new Set([...gone.peek()].filter((id) => !before.has(id)));
        groups.value = standing(groups.peek(), found);
        selection.value = among(selection.peek(), found);
        fresh.value = 0;
        state.value = "ready";
      });
    } catch (error) {
      if (asked !== loads.current) return;
      problem.value = error instanceof Error ? error.message : String(error);
      if (!ids.peek().length) state.value = "failed";
    }
  };

  useEffect(() => {
    batch(() => {
      ids.value = [];
      selection.value = NONE;
      gone.value = new Set();
      groups.value = new Map();
    });
    void load();
    let timer: ReturnType<typeof setTimeout> | null = null;
    let turned = false;
    // What happened while nobody listened.
    const back = onLive(() => state.peek() === "ready" && void load(true));
    const stop = onChanges((changes: readonly Change[]) => {
      refreshClips(changes.flatMap((change) => (change.clip_id ? [change.clip_id] : [])));
      if (changes.some((change) => /scenes_detected|cuts_changed|decision\./.test(change.type))) {
        // Nothing jumps under the pointer: what is new is offered, unless there is nothing to disturb.
        turned ||= changes.some((change) => change.type.startsWith("decision."));
        timer ??= setTimeout(() => {
          timer = null;
          if (!ids.peek().length || turned) void load(true);
          else fresh.value += 1;
          turned = false;
        }, AGAIN_MS);
      }
    });
    return () => {
      stop();
      back();
      if (timer) clearTimeout(timer);
    };
  }, [query]);

  const set = (change: Partial<Filters>): void => {
    const next = { ...filtersOf(route.value.query), ...change };
    const said = Object.fromEntries(Object.entries(next).filter(([name, value]) => name === "state" || (value && !(name === "order" && value === "video"))));
    go(pathOf("grid", null, said), { replace: true });
  };

  /** What a verdict is given on: the chosen tiles, and all that is stacked behind them. */
  const taken = useComputed(() => (groups.value.size ? [...selection.value.chosen].flatMap((id) => groups.value.get(id) ?? [id]) : [...selection.value.chosen]));

  const decide = (verdict: Verdict) => (): void => {
    const clips = taken.value;
    if (!clips.length) {
      say("refused", "Choose clips first: press them, or Ctrl+A for all.");
      return;
    }
    void decideAll(clips, verdict).then((decided) => {
      if (!decided.size) return;
      batch(() => {
        if (filters.state && isShown()) gone.value = new Set([...gone.value, ...decided]);
        selection.value = without(selection.value, decided);
      });
    });
  };

  const stack = async (): Promise<void> => {
    if (groups.value.size) {
      groups.value = new Map();
      return;
    }
    if (ids.value.length > STACK_MOST) {
      say("refused", `Near-identical clips are looked for among at most ${STACK_MOST}; ${ids.value.length} are listed. Choose a video first.`);
      return;
    }
    const looked = await stacked(ids.value, signatureOf);
    if (!isShown()) return;
    // The list may have been read anew meanwhile.
    const found = standing(looked, ids.peek());
    groups.value = found;
    say("done", found.size ? `${[...found.values()].reduce((sum, one) => sum + one.length, 0)} clips are in ${found.size} stacks.` : "No two of these clips are near-identical.");
  };

  useActions({
    approve: decide("approve"),
    skip: decide("skip"),
    archive: decide("archive"),
    group: () => {
      const clips = taken.value;
      void groupAll(clips).then((done) => done && (selection.value = without(selection.value, new Set(clips))));
    },
    stack: () => void stack(),
    similar: () => {
      const [first] = selection.value.chosen;
      if (first) go(pathOf("search", null, { like: first }));
      else say("refused", "Choose a clip first: what looks like it is found then.");
    },
  });

  // All of a hundred thousand may be chosen: they are listed only for who needs the list.
  const count = groups.value.size ? taken.value.length : selection.value.chosen.size;
  const known = count <= MOST_LOOKED_AT ? taken.value.flatMap((id) => peekClip(id) ?? []) : [];
  const ruled = mayReview.value ? known.filter(byRule) : [];
  const file = count === 1 && known[0]?.object ? known[0] : null;
  return (
    <main class="grid-page" aria-label="Grid">
      <div class="filters">
        <label class="field">
          <span class="quiet">state</span>
          <select value={filters.state} onChange={(event) => set({ state: event.currentTarget.value })}>
            <option value="">any</option>
            {STATES.map((one) => (
              <option key={one} value={one}>
                {stateOf(one).word}
              </option>
            ))}
          </select>
        </label>
        <label class="field">
          <span class="quiet">video</span>
          <select class="narrow" value={filters.video} onChange={(event) => set({ video: event.currentTarget.value })}>
            <option value="">all</option>
            {videos.value.map((video) => (
              <option key={video.id} value={video.id}>
                {video.title ?? video.id.slice(0, 8)}
              </option>
            ))}
          </select>
        </label>
        <TextFilter name="tag" value={filters.tag} onChange={(tag) => set({ tag })} />
        <label class="field">
          <span class="quiet">certainty to</span>
          <input
            type="range"
            min={0}
            max={100}
            step={5}
            value={filters.certainty_to ? Number(filters.certainty_to) * 100 : 100}
            style={{ "--at": `${filters.certainty_to ? Number(filters.certainty_to) * 100 : 100}%` }}
            aria-valuetext={filters.certainty_to || "any"}
            onChange={(event) => set({ certainty_to: event.currentTarget.value === "100" ? "" : String(Number(event.currentTarget.value) / 100) })}
          />
        </label>
        <span class="field">
          <TextFilter name="frames" hint="from" number value={filters.frames_from} onChange={(frames_from) => set({ frames_from })} />
          <TextFilter name="" label="frames at most" hint="to" number value={filters.frames_to} onChange={(frames_to) => set({ frames_to })} />
        </span>
        <label class="field">
          <span class="quiet">sort</span>
          <select value={filters.order} onChange={(event) => set({ order: event.currentTarget.value })}>
            {Object.entries(ORDERS).map(([value, word]) => (
              <option key={value} value={value}>
                {word}
              </option>
            ))}
          </select>
        </label>
        <Button kind="icon" icon="stack" label="Stack near-identical clips" action="stack" pressed={groups.value.size > 0} onPress={() => void stack()} />
      </div>
      <div class="chosen-bar">
        <span role="status">
          {count > 0 ? (
            <b>
              {count.toLocaleString("en")} selected{count !== selection.value.chosen.size && ` in ${selection.value.chosen.size} tiles`}
            </b>
          ) : (
            <span class="quiet">{state.value === "ready" ? `${shown.value.length.toLocaleString("en")} clips` : "…"}</span>
          )}
        </span>
        {fresh.value > 0 && <Button kind="quiet" icon="retry" label="There are new clips" onPress={() => void load(true)} />}
        <span class="space" />
        {ruled.length > 0 && <Button icon="undo" label={ruled.length === 1 ? "Take back the rule's" : `Take back ${ruled.length} of the rule's`} onPress={() => void takeBackRule(ruled)} />}
        {file && (
          <a class="button" href={downloadAddress(file.id)} download>
            <Icon name="drop" />
            Download
          </a>
        )}
        <Button icon="drop" label="Export…" disabled={!shown.value.length} onPress={() => (exporting.value = true)} />
        <Button kind="verdict" tone="approve" icon="approve" label="Approve" action="approve" disabled={!count} onPress={() => perform("approve")} />
        <Button kind="verdict" tone="skip" icon="skip" label="Skip" action="skip" disabled={!count} onPress={() => perform("skip")} />
        <Button kind="verdict" tone="archive" icon="archive" label="Archive" action="archive" disabled={!count} onPress={() => perform("archive")} />
        <Button kind="verdict" tone="group" icon="group" label="Group" action="group" disabled={count < 2} onPress={() => perform("group")} />
        <Button kind="verdict" tone="plain" icon="undo" label="Undo" action="undo" onPress={() => perform("undo")} />
      </div>
      {exporting.value && (
        <Exporting
          what={count ? `${count.toLocaleString("en")} selected ${count === 1 ? "clip" : "clips"}` : "All clips that are listed"}
          query={count ? { clip: taken.value } : exportedOf(filters)}
          onClose={() => (exporting.value = false)}
        />
      )}
      {state.value === "loading" && !ids.value.length && <div class="tiles blocks-of-tiles" aria-busy="true" aria-label="Loading clips" />}
      {state.value === "failed" && (
        <Notice tone="failed" title="The clips cannot be read" action={<Button kind="solid" icon="retry" label="Try again" onPress={() => void load()} />}>
          <p>{problem.value}</p>
        </Notice>
      )}
      {state.value === "ready" && shown.value.length === 0 && (
        <Notice title="No clips are like that" action={<Button kind="solid" label="Show all clips" onPress={() => go(pathOf("grid", null, { state: "" }))} />}>
          <p>{filters.state === "pending_review" ? "Nothing waits for a verdict here. Clips appear by themselves as videos are made ready." : "Ask for less, or for another state."}</p>
        </Notice>
      )}
      {shown.value.length > 0 && (
        <Tiles ids={shown} selection={selection} stacks={groups} label="Clips" onOpen={(id) => open(id)} />
      )}
    </main>
  );
}

function open(id: string): void {
  const clip = peekClip(id);
  if (!clip) return;
  go(clip.state === "pending_review" ? pathOf("review", clip.video_id) : pathOf("timeline", clip.video_id, { frame: String(clip.start) }));
}

function TextFilter({ name, label, hint, value, number = false, onChange }: { name: string; label?: string; hint?: string; value: string; number?: boolean; onChange: (value: string) => void }) {
  return (
    <label class="field">
      {name && <span class="quiet">{name}</span>}
      <input
        class={number ? "number" : "word"}
        type="text"
        inputMode={number ? "numeric" : "text"}
        aria-label={label}
        placeholder={hint ?? "any"}
        value={value}
        onChange={(event) => {
          const said = event.currentTarget.value.trim();
          if (number && said && !/^[1-9][0-9]{0,8}$/.test(said)) {
            say("refused", `${said} is no number of frames.`);
            event.currentTarget.value = value;
          } else onChange(said);
        }}
        onKeyDown={(event) => event.key === "Enter" && event.currentTarget.blur()}
      />
    </label>
  );
}
