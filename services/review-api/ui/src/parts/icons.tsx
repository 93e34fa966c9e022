// One set of signs, drawn on 16 pixels with one stroke.

const PATHS = {
  approve: "M3 8.5 6.5 12 13 4.5",
  skip: "M3 8h10M9 4l4 4-4 4",
  archive: "M2.5 3.5h11v3h-11zM3.5 6.5v6h9v-6M6.5 9h3",
  group: "M6.5 9.5 9.5 6.5M7 4.5l1.5-1.5a2.8 2.8 0 0 1 4 4L11 8.5M9 11.5 7.5 13a2.8 2.8 0 0 1-4-4L5 7.5",
  cut: "M8 2v12M3 5v6M13 5v6",
  undo: "M6 3 2.5 6.5 6 10M3 6.5h6.5a3.5 3.5 0 0 1 0 7H7",
  redo: "M10 3l3.5 3.5L10 10M13 6.5H6.5a3.5 3.5 0 0 0 0 7H9",
  note: "M3 3h10v7.5L10.5 13H3zM10.5 13v-2.5H13M5.5 6h5M5.5 8.5h3",
  failed: "M8 3v6M8 12v.6",
  play: "M5 3.5v9l7-4.5z",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  loop: "M3 8a4.5 4.5 0 0 1 7.8-3.1L13 7M13 3.5V7H9.5M13 8a4.5 4.5 0 0 1-7.8 3.1L3 9M3 12.5V9h3.5",
  sound: "M2.5 6.5v3h2.5L8 12V4L5 6.5zM10.5 6a3 3 0 0 1 0 4M12.3 4.2a5.5 5.5 0 0 1 0 7.6",
  mute: "M2.5 6.5v3h2.5L8 12V4L5 6.5zM11 6.5l3 3M14 6.5l-3 3",
  search: "M7 2.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9M10.5 10.5 14 14",
  keys: "M1.5 4h13v8.5h-13zM4 6.5h.5M6.5 6.5H7M9 6.5h.5M11.5 6.5h.5M4 9.5h8",
  theme: "M8 2.5a5.5 5.5 0 1 0 0 11zM8 2.5a5.5 5.5 0 0 1 0 11",
  close: "M4 4l8 8M12 4l-8 8",
  down: "M4 6.5 8 10.5 12 6.5",
  drop: "M8 2.5v7.5M4.5 7 8 10.5 11.5 7M3 13.5h10",
  rule: "M9 2 4 9h3.5L7 14l5-7H8.5z",
  picture: "M2.5 3.5h11v9h-11zM5.5 6.5h.1M3 11.5l3.2-3 2.3 2 2-1.6 2.5 2.4",
  retry: "M13 8a5 5 0 1 1-1.6-3.7M13 2.5V5.5H10",
  film: "M2.5 3.5h11v9h-11zM5 3.5v9M11 3.5v9M2.5 8h11",
  stack: "M8 2.5 13.5 5.5 8 8.5 2.5 5.5zM2.5 8.5 8 11.5 13.5 8.5M2.5 11 8 14 13.5 11",
  doubt: "M5.8 5.8a2.2 2.2 0 1 1 3.4 1.9c-.8.5-1.2.9-1.2 1.8M8 12v.3",
  clock: "M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11M8 5v3l2 1.5",
  plus: "M8 3v10M3 8h10",
  minus: "M3 8h10",
  more: "M3.5 8h.1M8 8h.1M12.5 8h.1",
  zoom: "M7 2.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9M10.5 10.5 14 14M5 7h4M7 5v4",
  out: "M9.5 3h-6v10h6M6.5 8H14M11 5l3 3-3 3",
  user: "M8 2.5a2.7 2.7 0 1 1 0 5.4 2.7 2.7 0 0 1 0-5.4M2.8 13.5a5.2 5.2 0 0 1 10.4 0",
} as const;

export type IconName = keyof typeof PATHS;

/** A sign beside a word; it says nothing by itself. */
export function Icon({ name, class: more = "" }: { name: IconName; class?: string }) {
  return (
    <svg class={`icon ${more}`} viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
