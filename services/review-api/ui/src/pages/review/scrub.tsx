// Under the picture: play, where in the clip one is, speed, loop, sound.

import type { ReadonlySignal } from "@preact/signals";
import { useComputed } from "@preact/signals";
import type { Clip } from "../../api/types";
import { lengthOf, short } from "../../lib/time";
import { Button } from "../../parts/bits";
import type { Player } from "../../player/player";
import { perform } from "../../state/actions";
import { settings } from "../../state/me";
import type { Chosen } from "./review";

export function Scrub({ player, clip, chosen }: { player: Player; clip: Clip; chosen: ReadonlySignal<Chosen | null> }) {
  const length = lengthOf(clip);
  const now = useComputed(() => {
    const frame = player.frame.value;
    return short(Math.round((player.timing?.begin(frame) ?? 0) * 1000));
  });
  const share = useComputed(() => `${(player.frame.value / Math.max(1, clip.frames - 1)) * 100}%`);
  const speed = player.speed.value;
  return (
    <div class="scrub">
      <Button kind="icon" icon={player.playing.value ? "pause" : "play"} label={player.playing.value ? "Pause" : "Play"} action="play" onPress={() => perform("play")} />
      <span class="time" data-now>
        {now}
      </span>
      <input
        type="range"
        min={0}
        max={clip.frames - 1}
        step={1}
        value={player.frame.value}
        style={{ "--at": share.value }}
        aria-label="Position in the clip"
        aria-valuetext={`frame ${clip.start + player.frame.value}`}
        onInput={(event) => {
          player.pause();
          player.seek(Number(event.currentTarget.value));
        }}
      />
      <span class="time">{length === null ? "" : short(length)}</span>
      <span class="time quiet wide" data-frame>
        frame {clip.start + player.frame.value}
      </span>
      <span class="time quiet wide" title="J, K, L change the speed">
        {speed < 0 ? "−" : ""}
        {Math.abs(speed)}×
      </span>
      <Button kind="icon" icon="loop" label="Loop" action="loop" pressed={player.loop.value} onPress={() => perform("loop")} />
      <Button kind="icon" icon={settings.value.sound ? "sound" : "mute"} label={settings.value.sound ? "Sound is on" : "Sound is off"} action="sound" pressed={settings.value.sound} onPress={() => perform("sound")} />
      {chosen.value && <span class="sr" role="status">{`${chosen.value.side === "in" ? "first" : "last"} cut, frame ${chosen.value.to}`}</span>}
    </div>
  );
}
