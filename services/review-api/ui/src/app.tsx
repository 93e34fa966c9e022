// The frame of every page: one line above, the page below, short words at the edge.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { Button } from "./parts/bits";
import { Icon } from "./parts/icons";
import { Help } from "./parts/help";
import { fetchLater, lazily } from "./parts/lazy";
import { Palette } from "./parts/palette";
import { GridPage } from "./pages/grid/grid";
import { ReviewPage } from "./pages/review/review";
import { useActions } from "./state/actions";
import { desk } from "./state/desk";
import { failuresInAll, startVideos } from "./state/videos";
import { live, lostAt, reconnect } from "./state/live";
import { me, set, settings } from "./state/me";
import { go, pathOf, route, type Page } from "./state/route";
import { outbox } from "./state/sending";
import { drop, toasts } from "./state/toasts";

const TABS: readonly { page: Page; title: string }[] = [
  { page: "review", title: "Review" },
  { page: "grid", title: "Grid" },
  { page: "timeline", title: "Timeline" },
  { page: "pipeline", title: "Pipeline" },
  { page: "search", title: "Search" },
  { page: "failed", title: "Failed" },
];

const later = () => import("./pages/later");
const SHOWN = {
  review: ReviewPage,
  grid: GridPage,
  timeline: lazily(async () => (await later()).TimelinePage),
  pipeline: lazily(async () => (await later()).PipelinePage),
  search: lazily(async () => (await later()).SearchPage),
  failed: lazily(async () => (await later()).FailedPage),
  video: lazily(async () => (await later()).VideoPage),
  account: lazily(async () => (await later()).AccountPage),
} as const;

export function App() {
  const help = useSignal(false);
  const palette = useSignal(false);
  const { page } = route.value;
  const Shown = SHOWN[page];

  useEffect(() => startVideos(), []);
  useEffect(fetchLater, []);
  useEffect(() => {
    const title = page === "video" ? "Video" : page === "account" ? "Account" : TABS.find((tab) => tab.page === page)?.title;
    if (page !== "review") document.title = `${title} · Heaters`;
  }, [page]);

  useActions({
    help: () => (help.value = !help.value),
    palette: () => (palette.value = !palette.value),
    undo: () => desk.undo(),
    redo: () => desk.redo(),
    ...Object.fromEntries(TABS.map((tab) => [`go_${tab.page}`, () => go(pathOf(tab.page))])),
  }, true);

  return (
    <>
      <a class="skip" href="#page">
        To the page
      </a>
      <Header onHelp={() => (help.value = true)} onPalette={() => (palette.value = true)} />
      <SignedOutBar />
      <div class="page" id="page" data-page={page}>
        <Shown />
      </div>
      <div class="toasts" aria-live="assertive">
        {toasts.value.map((toast) => (
          <div key={toast.id} class="toast" data-kind={toast.kind} role="alert">
            <Icon name={toast.kind === "done" ? "approve" : "failed"} />
            <span>{toast.text}</span>
            {toast.action && (
              <Button
                kind="quiet"
                label={toast.action.label}
                onPress={() => {
                  toast.action?.run();
                  drop(toast.id);
                }}
              />
            )}
            <Button kind="icon" icon="close" label="Close" onPress={() => drop(toast.id)} />
          </div>
        ))}
      </div>
      {help.value && <Help onClose={() => (help.value = false)} />}
      {palette.value && <Palette onClose={() => (palette.value = false)} />}
    </>
  );
}

function Header({ onHelp, onPalette }: { onHelp: () => void; onPalette: () => void }) {
  const failed = failuresInAll.value;
  const current = route.value.page;
  const nav = useRef<HTMLElement>(null);
  useEffect(() => nav.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" }), [current]);
  return (
    <header class="bar">
      <a class="brand" href="/" data-page="review">
        Heaters
      </a>
      <nav aria-label="Pages" ref={nav}>
        {TABS.map(({ page, title }, n) => (
          <a key={page} class="tab" href={pathOf(page)} data-page={page} aria-current={current === page ? "page" : undefined} title={`${title} (${n + 1})`}>
            {title}
            {page === "failed" && failed > 0 && <span class="count">{failed.toLocaleString("en")}</span>}
          </a>
        ))}
      </nav>
      <span class="space" />
      <Figures />
      <LiveMark />
      <Button kind="icon" icon="search" label="Find anything" action="palette" onPress={onPalette} />
      <Button kind="icon" icon="keys" label="Keys" action="help" onPress={onHelp} />
      <Button kind="icon" icon="theme" label={`Theme: ${settings.value.theme}`} onPress={nextTheme} />
      <a class="button icon me" href="/account" data-page="account" aria-current={current === "account" ? "page" : undefined} title={me.value ? `${me.value.name}: ${me.value.roles.join(", ")}` : "Your account"}>
        <Icon name="user" />
        <span class="sr">Your account{me.value ? `, ${me.value.name}` : ""}</span>
      </a>
    </header>
  );
}

function nextTheme(): void {
  const light = matchMedia("(prefers-color-scheme: light)").matches;
  const now = settings.value.theme === "system" ? (light ? "light" : "dark") : settings.value.theme;
  set({ theme: now === "light" ? "dark" : "light" });
}

function Figures() {
  const now = useSignal(Date.now());
  useEffect(() => {
    const timer = setInterval(() => (now.value = Date.now()), 5000);
    return () => clearInterval(timer);
  }, []);
  desk.rate.count.value;
  const rate = desk.rate.perMinute(Math.max(now.value, Date.now()));
  const saving = outbox.count.value;
  return (
    <span class="figures">
      {saving > 0 && (
        <span class="figure" data-saving={saving} title="Not confirmed by the server yet">
          {saving} saving
        </span>
      )}
      {rate !== null && <span class="figure wide">{rate}/min</span>}
      {desk.left.value > 0 && (
        <span class="figure" data-left={desk.left.value}>
          {desk.left.value >= 10_000 ? "10,000+" : desk.left.value} left
        </span>
      )}
    </span>
  );
}

function LiveMark() {
  const seconds = useSignal(0);
  useEffect(() => {
    const timer = setInterval(() => (seconds.value = lostAt.value ? Math.round((Date.now() - lostAt.value) / 1000) : 0), 1000);
    return () => clearInterval(timer);
  }, []);
  const state = outbox.signedOut.value ? "offline" : live.value;
  const waits = outbox.count.value;
  const more = [
    state === "reconnecting" && seconds.value > 0 ? `${seconds.value} s` : "",
    state !== "live" && state !== "connecting" && waits > 0 ? `${waits} ${waits === 1 ? "verdict waits" : "verdicts wait"}` : "",
  ].filter(Boolean);
  return (
    <button type="button" class="live" data-state={state} title={outbox.trouble.value ?? "The connection to the review desk"} onMouseDown={(event) => event.preventDefault()} onClick={reconnect}>
      <i aria-hidden="true" />
      <span role="status">
        {state}
        {more.length > 0 && <span class="more">, {more.join(", ")}</span>}
      </span>
    </button>
  );
}

function SignedOutBar() {
  if (!outbox.signedOut.value) return null;
  return (
    <div class="notice-bar" role="alert">
      You are signed out. {outbox.count.value} {outbox.count.value === 1 ? "verdict waits" : "verdicts wait"} and will be sent once you are back.
      <a class="button" href="/" target="_blank" rel="noopener">
        Sign in
      </a>
      <Button label="I am back" onPress={() => outbox.nudge()} />
    </div>
  );
}

