// The page: which part is shown, keys, the live connection, the theme.

import { Pipeline } from "./pipeline.js";
import { Review } from "./review.js";

const $ = (id) => document.getElementById(id);
const SOON_MS = 250;
const POLL_MS = 2000;
const VERDICTS = { a: "approve", s: "skip", x: "archive" };
const PAGES = ["review", "pipeline"];

// The token has done its work: the cookie is set. It shall not stay in the address or the history.
if (new URL(location.href).searchParams.has("token")) history.replaceState(null, "", "/");

let unsent = 0;
const review = new Review((count) => {
  unsent = count;
  showLive();
});
const pipeline = new Pipeline();

function show(page) {
  for (const name of PAGES) {
    $(`page-${name}`).hidden = name !== page;
    const tab = document.querySelector(`[data-page="${name}"]`);
    if (name === page) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
  if (page === "pipeline") void pipeline.refresh();
}

for (const tab of document.querySelectorAll(".tab")) tab.addEventListener("click", () => show(tab.dataset.page));

addEventListener("keydown", (event) => {
  if (event.repeat || event.altKey) return;
  if (event.target instanceof Element && event.target.matches("input:not([type=range]), textarea")) return;
  const key = event.key.toLowerCase();
  if (event.ctrlKey || event.metaKey) {
    if (key !== "z" || $("page-review").hidden) return;
    if (event.shiftKey) void review.redo();
    else void review.undo();
    event.preventDefault();
    return;
  }
  const page = PAGES[Number(key) - 1];
  if (page) {
    show(page);
  } else if (!$("page-review").hidden) {
    if (VERDICTS[key]) review.decide(VERDICTS[key]);
    else if (key === "g") void review.group();
    else if (key === "b") void review.addCut();
    else if (key === "u") void review.undo();
    else if (key === " " && !(event.target instanceof HTMLButtonElement)) review.togglePause();
    else if (key === "," || key === ".") review.step(key === "." ? 1 : -1);
    else return;
  } else {
    return;
  }
  event.preventDefault();
});

let state = "connecting";

function showLive(now = state) {
  state = now;
  $("live").dataset.state = state;
  const waiting = unsent > 0 && state !== "live" ? `, ${unsent} ${unsent === 1 ? "verdict waits" : "verdicts wait"}` : "";
  $("live").lastElementChild.textContent = state + waiting;
}

let soon = null;

function refreshSoon() {
  soon ??= setTimeout(() => {
    soon = null;
    void review.refresh();
    void pipeline.refresh();
  }, SOON_MS);
}

function watch() {
  const events = new EventSource("/api/events");
  events.addEventListener("open", () => {
    showLive("live");
    refreshSoon();
  });
  events.addEventListener("error", () => showLive(navigator.onLine ? "reconnecting" : "offline"));
  events.addEventListener("change", (event) => {
    const change = JSON.parse(event.data);
    if (!change.type.startsWith("clip.") || !["approved", "skipped", "archived"].includes(change.type.slice(5))) refreshSoon();
  });
}

setInterval(() => {
  if (!$("page-pipeline").hidden && document.visibilityState === "visible") void pipeline.refresh();
}, POLL_MS);

const root = document.documentElement;
const kept = localStorage.getItem("theme");
if (kept) root.dataset.theme = kept;
$("theme").addEventListener("click", () => {
  const light = matchMedia("(prefers-color-scheme: light)").matches;
  const now = root.dataset.theme || (light ? "light" : "dark");
  root.dataset.theme = now === "light" ? "dark" : "light";
  localStorage.setItem("theme", root.dataset.theme);
});

addEventListener("beforeunload", (event) => {
  if (unsent > 0) event.preventDefault();
});

watch();
void review.refresh();
void pipeline.refresh();
