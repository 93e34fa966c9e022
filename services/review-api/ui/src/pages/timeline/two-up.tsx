// The frames on both sides of a place: the last one before it, and the first one after.

import { Button, Frame } from "../../parts/bits";
import type { AnyCut } from "../../lib/cuts";
import { personOf } from "../../state/people";

interface TwoUpProps {
  video: string;
  frame: number;
  frames: number;
  cut: AnyCut | null;
  moved: boolean;
  timeOf: (frame: number) => string;
  onCommit: () => void;
  onChange: (operation: "remove" | "confirm") => void;
  onAdd: () => void;
}

/** The last frame before and the first frame after: of the chosen cut, or of where one looks. */
export function TwoUp({ video, frame, frames, cut, moved, timeOf, onCommit, onChange, onAdd }: TwoUpProps) {
  const first = Math.max(0, frame - 1);
  return (
    <section class="two-up" aria-label={cut ? "The frames beside the chosen cut" : "The frames beside this place"} data-chosen={cut !== null}>
      <figure>
        <Frame video={video} frame={first} alt={`frame ${first}`} />
        <figcaption class="time">
          {cut ? "last before" : "before"} <b>{first}</b>
        </figcaption>
      </figure>
      <figure>
        <Frame video={video} frame={Math.min(frames - 1, frame)} alt={`frame ${frame}`} />
        <figcaption class="time">
          {cut ? "first after" : "here"} <b>{frame}</b> <span class="quiet">{timeOf(frame)}</span>
        </figcaption>
      </figure>
      <div class="two-up-side">
        {cut ? (
          <>
            <h2>
              {cut.kind} cut, {cut.confidence.toFixed(2)}
            </h2>
            <p class="quiet">{cut.by ? `set or confirmed by ${personOf(cut.by)}` : "as the detector found it"}</p>
            <div class="row">
              <Button kind="solid" label="Commit" action="commit" disabled={!moved} onPress={onCommit} />
              <Button label="Right as it is" action="cut_confirm" onPress={() => onChange("confirm")} />
              <Button label="Remove" action="cut_remove" onPress={() => onChange("remove")} />
            </div>
          </>
        ) : (
          <>
            <h2>No cut is chosen</h2>
            <p class="quiet">Press one, or go through them with [ and ]. Arrows look frame by frame.</p>
            <div class="row">
              <Button icon="cut" label="Cut here" action="cut_add" onPress={onAdd} />
            </div>
          </>
        )}
      </div>
    </section>
  );
}
