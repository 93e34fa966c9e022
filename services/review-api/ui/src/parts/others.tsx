// Who else is here, said quietly.

import { othersOn } from "../state/presence";
import { Icon } from "./icons";

const NAMED = 3;

export function Others({ video }: { video: string }) {
  const others = othersOn(video);
  if (!others.length) return null;
  const names = others.length > NAMED ? `${others.slice(0, NAMED).join(", ")} and ${others.length - NAMED} more` : others.join(", ");
  return (
    <span class="others quiet" title={`On this video just now: ${others.join(", ")}`}>
      <Icon name="user" />
      <span class="sr">Also on this video: </span>
      {names}
    </span>
  );
}
