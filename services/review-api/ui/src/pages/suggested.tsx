// Tags that the default model would give a clip; one press takes one over.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { get } from "../api/client";
import type { Clip, Suggestions } from "../api/types";
import { Icon } from "../parts/icons";
import { clipOf, keepClips } from "../state/clips";
import { desk } from "../state/desk";

const MOST = 5;

export function Suggested({ id }: { id: string }) {
  const items = useSignal<Suggestions["items"]>([]);
  const clip = clipOf(id).value;
  useEffect(() => {
    let here = true;
    items.value = [];
    get<Suggestions>(`/api/clips/${id}/suggestions`).then(
      (said) => here && (items.value = said.items),
      () => {}, // They are a help, and no more.
    );
    return () => {
      here = false;
    };
  }, [id]);
  const has = new Set(clip?.tags.map((tag) => tag.toLowerCase()));
  const left = items.value.filter(({ tag }) => !has.has(tag.toLowerCase())).slice(0, MOST);
  if (!clip || !left.length) return null;
  return (
    <div class="tags" role="group" aria-label="Suggested tags">
      {left.map(({ tag, share }) => (
        <button key={tag} type="button" class="tag" title={`Tag it; the model is ${Math.round(share * 100)} % sure`} onClick={() => void take(clip, tag)}>
          <Icon name="plus" />
          {tag}
        </button>
      ))}
    </div>
  );
}

async function take(clip: Clip, tag: string): Promise<void> {
  const tagged = { ...clip, tags: [...clip.tags, tag] };
  keepClips([tagged]);
  keepClips([(await desk.annotate(clip, tagged.tags, clip.note)) ?? clip]);
}
