// Finds anything: an action with its key, a video, a page.

import { useComputed, useSignal } from "@preact/signals";
import { ACTIONS, can, chordsOf, perform } from "../state/actions";
import { go, pathOf, route } from "../state/route";
import { videos } from "../state/videos";
import { rank } from "../lib/rank";
import { Dialog, Keys } from "./bits";
import { Icon, type IconName } from "./icons";

interface Found {
  id: string;
  title: string;
  hint: string;
  icon: IconName;
  chord?: string | undefined;
  run: () => void;
}

const MOST = 12;

export function Palette({ onClose }: { onClose: () => void }) {
  const words = useSignal("");
  /** What was gone to by the arrows: it stays chosen while the list changes beneath. */
  const chosen = useSignal<string | null>(null);

  const actions = useComputed<Found[]>(() => {
    const page = route.value.page;
    return ACTIONS.filter(
      (action) => action.id !== "palette" && action.id !== "cancel" && (!action.pages || action.pages.includes(page)) && can(action.id),
    ).map((action) => ({
      id: action.id,
      title: action.title,
      hint: action.group,
      icon: "keys" as const,
      chord: chordsOf(action.id)[0],
      run: () => void perform(action.id),
    }));
  });
  const films = useComputed<Found[]>(() =>
    videos.value.flatMap((video) => [
      { id: `v${video.id}`, title: video.title ?? video.id, hint: "video", icon: "film" as const, run: () => go(pathOf("video", video.id)) },
      { id: `r${video.id}`, title: `Review ${video.title ?? video.id}`, hint: "review only this", icon: "play" as const, run: () => go(pathOf("review", video.id)) },
      { id: `t${video.id}`, title: `Timeline of ${video.title ?? video.id}`, hint: "timeline", icon: "cut" as const, run: () => go(pathOf("timeline", video.id)) },
    ]),
  );
  const found = useComputed<Found[]>(() => {
    const said = words.value.trim();
    // Without a word every action is here, for whoever has only a mouse.
    if (!said) return [...actions.value, ...films.value.slice(0, MOST)];
    return [
      ...rank(said, [...actions.value, ...films.value], (one) => one.title).slice(0, MOST),
      { id: "search", title: `Search clips for “${said}”`, hint: "words", icon: "search", run: () => go(pathOf("search", null, { words: said })) },
      { id: "tag", title: `Clips with the tag “${said}”`, hint: "tag", icon: "search", run: () => go(pathOf("grid", null, { tag: said, state: "" })) },
    ];
  });

  const at = useComputed(() => Math.max(0, found.value.findIndex((one) => one.id === chosen.value)));
  const goBy = (steps: number): void => {
    const count = found.value.length;
    const to = (at.value + steps + count) % Math.max(1, count);
    chosen.value = found.value[to]?.id ?? null;
    document.getElementById(`palette-${to}`)?.scrollIntoView({ block: "nearest" });
  };

  const run = (one: Found | undefined): void => {
    if (!one) return;
    onClose();
    // The dialog has to be gone: what is done may show another.
    setTimeout(one.run);
  };

  return (
    <Dialog title="Find anything" onClose={onClose}>
      <input
        class="palette-field"
        autofocus
        placeholder="A video, a tag, an action"
        role="combobox"
        aria-expanded="true"
        aria-controls="palette-list"
        aria-activedescendant={`palette-${at.value}`}
        aria-label="Find anything"
        value={words.value}
        onInput={(event) => {
          words.value = event.currentTarget.value;
          chosen.value = null;
        }}
        onKeyDown={(event) => {
          if (event.key === "ArrowDown") goBy(1);
          else if (event.key === "ArrowUp") goBy(-1);
          else if (event.key === "Enter") run(found.value[at.value]);
          else return;
          event.preventDefault();
        }}
      />
      <ul class="palette" id="palette-list" role="listbox" aria-label="Found">
        {found.value.map((one, n) => (
          <li key={one.id} id={`palette-${n}`} role="option" aria-selected={n === at.value} onMouseMove={() => (chosen.value = one.id)} onClick={() => run(one)}>
            <Icon name={one.icon} />
            <span class="what">{one.title}</span>
            <span class="quiet">{one.hint}</span>
            {one.chord && <Keys chord={one.chord} />}
          </li>
        ))}
      </ul>
      {found.value.length === 0 && <p class="quiet pad">Nothing is called so.</p>}
    </Dialog>
  );
}
