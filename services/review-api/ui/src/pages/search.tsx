// Search: words, a picture, more like these, less like those. What is found is the same contact sheet, with the same keys.

import { batch, useComputed, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Verdict } from "../api/types";
import { search, type Hit, type Wish } from "../api/search";
import { NONE, without, type Selection } from "../lib/selection";
import { Button, Frame, Notice } from "../parts/bits";
import { Icon } from "../parts/icons";
import { Tiles } from "../parts/tiles";
import { perform, useActions } from "../state/actions";
import { decideAll, groupAll } from "../state/bulk";
import { clipOf, keepClips, peekClip } from "../state/clips";
import { go, pathOf, route } from "../state/route";
import { say } from "../state/toasts";
import { videos } from "../state/videos";
import { Suggested } from "./suggested";

const LONGEST_PX = 512;

/** A tag is said with #, the rest are words of titles, tags and notes. */
export function partsOf(said: string): { words: string; tags: string[] } {
  const tags = [...said.matchAll(/(?:^|\s)#([^\s#]+)/g)].map((match) => match[1] as string);
  return { words: said.replace(/(?:^|\s)#[^\s#]+/g, " ").replace(/\s+/g, " ").trim(), tags };
}

function wishOf(query: URLSearchParams, image: string | null): Wish & { said: string; looks: boolean } {
  const said = query.get("words") ?? "";
  const looks = query.get("by") === "looks";
  const { words, tags } = partsOf(said);
  const list = (name: string): string[] => (query.get(name) ?? "").split(",").filter((id) => /^[0-9a-f-]{36}$/.test(id));
  return { said, looks, like: list("like"), unlike: list("unlike"), words: looks ? "" : words, text: looks && words ? words : null, tags, image, video: query.get("video") ?? "" };
}

/** A picture small enough to be sent, whatever it was. */
async function small(file: Blob): Promise<string> {
  const picture = await createImageBitmap(file);
  const scale = Math.min(1, LONGEST_PX / Math.max(picture.width, picture.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(picture.width * scale));
  canvas.height = Math.max(1, Math.round(picture.height * scale));
  canvas.getContext("2d")?.drawImage(picture, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/jpeg", 0.9).replace(/^data:[^,]*,/, "");
}

export function SearchPage() {
  const image = useSignal<string | null>(null);
  const said = useSignal(route.value.query.get("words") ?? "");
  const hits = useSignal<readonly Hit[]>([]);
  const next = useSignal<string | null>(null);
  const how = useSignal("");
  const state = useSignal<"idle" | "loading" | "ready" | "failed">("idle");
  const problem = useSignal("");
  const selection = useSignal<Selection>(NONE);
  const field = useRef<HTMLInputElement>(null);
  const files = useRef<HTMLInputElement>(null);
  const wish = wishOf(route.value.query, image.value);
  const asked = JSON.stringify([wish.like, wish.unlike, wish.words, wish.text, wish.tags, wish.video]);
  const ids = useComputed(() => hits.value.map((hit) => hit.clip.id));
  const hints = useComputed(() => new Map(hits.value.map((hit) => [hit.clip.id, hit.similarity])));

  const turns = useRef(0);
  const ask = async (cursor: string | null): Promise<void> => {
    const current = wishOf(route.peek().query, image.peek());
    turns.current += 1;
    const turn = turns.current;
    state.value = cursor ? "ready" : "loading";
    try {
      const found = await search(current, cursor);
      keepClips(found.items.map((hit) => hit.clip));
      // Something else was asked for since.
      if (turn !== turns.current) return;
      batch(() => {
        hits.value = cursor ? [...hits.value, ...found.items] : found.items;
        next.value = found.next;
        how.value = found.model ? `by looks, ${found.model}` : found.how === "words" ? "by words" : "by filter";
        state.value = "ready";
      });
    } catch (error) {
      if (turn !== turns.current) return;
      problem.value = error instanceof Error ? error.message : String(error);
      state.value = "failed";
    }
  };

  useEffect(() => {
    said.value = wish.said;
  }, [wish.said]);
  useEffect(() => {
    selection.value = NONE;
    const anything = wish.like.length || wish.text || wish.words || wish.tags.length || image.value;
    if (anything) void ask(null);
    else {
      turns.current += 1;
      hits.value = [];
      state.value = "idle";
      field.current?.focus();
    }
  }, [asked, image.value]);

  const to = (change: Partial<Record<"words" | "like" | "unlike" | "by" | "video", string>>): void => {
    const query = Object.fromEntries(route.value.query);
    go(pathOf("search", null, Object.fromEntries(Object.entries({ ...query, ...change }).filter(([, value]) => value))));
  };
  const chosen = (): string[] => [...selection.value.chosen];
  const more = (less: boolean): void => {
    const add = chosen();
    if (!add.length) return;
    const name = less ? "unlike" : "like";
    const other = less ? "like" : "unlike";
    to({ [name]: [...new Set([...wish[name], ...add])].slice(0, 20).join(","), [other]: wish[other].filter((id) => !add.includes(id)).join(",") });
  };
  const take = async (file: Blob): Promise<void> => {
    try {
      image.value = await small(file);
    } catch {
      say("refused", "This is no picture that the browser can read.");
    }
  };
  const decide = (verdict: Verdict) => (): void => {
    const clips = chosen();
    if (clips.length) void decideAll(clips, verdict).then((decided) => (selection.value = without(selection.value, decided)));
    else say("refused", "Choose clips first: press them, or Ctrl+A for all.");
  };

  useActions({
    approve: decide("approve"),
    skip: decide("skip"),
    archive: decide("archive"),
    group: () => void groupAll(chosen()),
    similar: () => {
      const [first] = chosen();
      if (first) to({ like: first, unlike: "", words: "" });
      else say("refused", "Choose a clip first: what looks like it is found then.");
    },
  });

  const count = selection.value.chosen.size;
  return (
    <main
      class="grid-page search"
      aria-label="Search"
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        const file = event.dataTransfer?.files[0];
        if (file) void take(file);
      }}
      onPaste={(event) => {
        const file = event.clipboardData?.files[0];
        if (file) void take(file);
      }}
    >
      <div class="search-head">
        <form
          class="search-field"
          role="search"
          onSubmit={(event) => {
            event.preventDefault();
            to({ words: said.value.trim() });
          }}
        >
          <input
            ref={field}
            type="search"
            placeholder="Words, #tags, or drop a picture"
            aria-label="Search clips"
            value={said.value}
            onInput={(event) => (said.value = event.currentTarget.value)}
          />
          <label class="field">
            <select aria-label="What words are compared with" value={wish.looks ? "looks" : "words"} onChange={(event) => to({ by: event.currentTarget.value === "looks" ? "looks" : "", words: said.value.trim() })}>
              <option value="words">what is written</option>
              <option value="looks">what is seen</option>
            </select>
          </label>
          <button class="button solid">
            <Icon name="search" />
            Search
          </button>
          <Button kind="icon" icon="picture" label="A picture" onPress={() => files.current?.click()} />
          <input
            ref={files}
            type="file"
            accept="image/*"
            class="sr"
            tabIndex={-1}
            aria-label="Picture to look for"
            onChange={(event) => {
              const file = event.currentTarget.files?.[0];
              if (file) void take(file);
              event.currentTarget.value = "";
            }}
          />
        </form>
        <div class="chips">
          {wish.like.map((id) => (
            <Chip key={id} id={id} onDrop={() => to({ like: wish.like.filter((one) => one !== id).join(",") })} />
          ))}
          {wish.unlike.map((id) => (
            <Chip key={id} id={id} less onDrop={() => to({ unlike: wish.unlike.filter((one) => one !== id).join(",") })} />
          ))}
          {image.value && (
            <span class="chip">
              <img class="chip-picture" src={`data:image/jpeg;base64,${image.value}`} alt="" />
              like this picture
              <Button kind="icon" icon="close" label="Without the picture" onPress={() => (image.value = null)} />
            </span>
          )}
          {wish.video && (
            <span class="chip">
              <span>&nbsp;in {videos.value.find((video) => video.id === wish.video)?.title ?? "one video"}</span>
              <Button kind="icon" icon="close" label="In all videos" onPress={() => to({ video: "" })} />
            </span>
          )}
        </div>
      </div>
      <div class="chosen-bar" hidden={state.value === "idle"}>
        <span role="status">
          {count > 0 ? <b>{count} selected</b> : <span class="quiet">{state.value === "ready" ? `${hits.value.length}${next.value ? " and more" : ""} found ${how.value}` : ""}</span>}
        </span>
        {count > 0 && <Button icon="plus" label="More like these" onPress={() => more(false)} />}
        {count > 0 && (wish.like.length > 0 || wish.text) && <Button icon="minus" label="Less like these" onPress={() => more(true)} />}
        {count === 1 && <Suggested id={chosen()[0] as string} />}
        <span class="space" />
        <Button kind="verdict" tone="approve" icon="approve" label="Approve" action="approve" disabled={!count} onPress={() => perform("approve")} />
        <Button kind="verdict" tone="skip" icon="skip" label="Skip" action="skip" disabled={!count} onPress={() => perform("skip")} />
        <Button kind="verdict" tone="archive" icon="archive" label="Archive" action="archive" disabled={!count} onPress={() => perform("archive")} />
        <Button kind="verdict" tone="group" icon="group" label="Group" action="group" disabled={count < 2} onPress={() => perform("group")} />
        <Button kind="verdict" tone="plain" icon="undo" label="Undo" action="undo" onPress={() => perform("undo")} />
      </div>
      {state.value === "idle" && (
        <Notice title="Find clips">
          <p>Type words of titles, tags and notes, drop a picture here, or press F on a clip to find what looks like it.</p>
        </Notice>
      )}
      {state.value === "loading" && <div class="tiles blocks-of-tiles" aria-busy="true" aria-label="Searching" />}
      {state.value === "failed" && (
        <Notice tone="failed" title="This cannot be searched" action={<Button kind="solid" icon="retry" label="Try again" onPress={() => void ask(null)} />}>
          <p>{problem.value}</p>
        </Notice>
      )}
      {state.value === "ready" && hits.value.length === 0 && (
        <Notice title="Nothing was found">
          <p>
            {wish.words
              ? "Use fewer words, or look for what is seen instead of what is written."
              : "Only clips that are approved and searchable can be compared, and none of them is alike enough."}
          </p>
        </Notice>
      )}
      {state.value === "ready" && hits.value.length > 0 && (
        <Tiles
          ids={ids}
          selection={selection}
          label="Found clips"
          hint={(id) => {
            const alike = hints.value.get(id);
            return alike === null || alike === undefined ? undefined : alike.toFixed(2);
          }}
          onOpen={(id) => {
            const clip = peekClip(id);
            if (clip) go(pathOf("timeline", clip.video_id, { frame: String(clip.start) }));
          }}
        />
      )}
      {state.value === "ready" && next.value && (
        <p class="more">
          <Button icon="down" label="Show more" onPress={() => void ask(next.value)} />
        </p>
      )}
    </main>
  );
}

function Chip({ id, less = false, onDrop }: { id: string; less?: boolean; onDrop: () => void }) {
  const clip = clipOf(id).value;
  return (
    <span class="chip" data-less={less}>
      {clip && <Frame video={clip.video_id} frame={clip.start + (clip.frames >> 1)} />}
      {less ? "less like" : "like"} clip {clip ? clip.start : ""}
      <Button kind="icon" icon="close" label="Without this clip" onPress={onDrop} />
    </span>
  );
}
