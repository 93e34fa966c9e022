// Who else is on a video just now, as the live connection tells it.

import { signal } from "@preact/signals";
import type { Present } from "../api/types";
import { me } from "./me";
import { personOf } from "./people";

export const present = signal<readonly Present[]>([]);

/** The names of all others who are on this video. */
export const othersOn = (video: string): string[] =>
  [...new Set(present.value.filter((one) => one.video_id === video && one.by !== me.value?.id).map((one) => personOf(one.by)))];
