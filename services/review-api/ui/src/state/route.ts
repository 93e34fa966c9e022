// Where one is. Addresses are plain paths, so that a page can be sent to somebody.

import { signal } from "@preact/signals";

export const PAGES = ["review", "grid", "timeline", "pipeline", "search", "failed", "video", "account"] as const;
export type Page = (typeof PAGES)[number];

export interface Route {
  page: Page;
  /** The video or clip that the page is about. */
  id: string | null;
  query: URLSearchParams;
}

/** What an address names; an unknown one is the review page. */
export function parse(path: string, search: string): Route {
  const [, first = "", id = ""] = path.split("/");
  const name = first === "videos" ? "video" : first;
  const page = (PAGES as readonly string[]).includes(name) ? (name as Page) : "review";
  return { page: page === "video" && !id ? "pipeline" : page, id: id || null, query: new URLSearchParams(search) };
}

export const route = signal<Route>(parse(location.pathname, location.search));

/** Go to a page of ours. */
export function go(path: string, options: { replace?: boolean } = {}): void {
  if (options.replace) history.replaceState(null, "", path);
  else if (path !== location.pathname + location.search) history.pushState(null, "", path);
  const url = new URL(path, location.href);
  route.value = parse(url.pathname, url.search);
}

/** The address of a page. */
export function pathOf(page: Page, id?: string | null, query?: Record<string, string>): string {
  const base = page === "review" ? "/" : page === "video" ? "/videos" : `/${page}`;
  const search = query ? `?${new URLSearchParams(query)}` : "";
  return (id ? `${base === "/" ? "/review" : base}/${id}` : base) + search;
}

/** Follow links of ours without loading the page anew. */
export function followLinks(): void {
  addEventListener("popstate", () => (route.value = parse(location.pathname, location.search)));
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    if (!link || event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (link.origin !== location.origin || link.target || link.hasAttribute("download") || !link.dataset["page"]) return;
    event.preventDefault();
    go(link.pathname + link.search);
  });
}
