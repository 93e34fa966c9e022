// Searching, in the API's own words.

import { send } from "./client";
import type { Clip } from "./types";

export interface Wish {
  like: string[];
  unlike: string[];
  text: string | null;
  words: string;
  image: string | null;
  tags: string[];
  video: string;
}

export interface Hit {
  clip: Clip;
  similarity: number | null;
  rank: number | null;
  moment: { frame: number; similarity: number; address: string } | null;
}

export interface Result {
  items: Hit[];
  how: string;
  model: string | null;
  next: string | null;
}

const PAGE = 60;

/** A page of what fits. */
export function search(wish: Wish, cursor: string | null): Promise<Result> {
  return send<Result>("POST", "/api/search", {
    like: wish.like,
    unlike: wish.unlike,
    text: wish.text,
    words: wish.words,
    image: wish.image,
    filters: wish.tags.length || wish.video ? { tags: wish.tags, videos: wish.video ? [wish.video] : [] } : null,
    limit: PAGE,
    cursor,
  });
}
