// The review page: the exact clip, looping; one key is one verdict, and the next clip is shown already.

import { effect, useComputed, useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import type { Actions } from "../../api/types";
import type { CutWish } from "../../lib/cuts";
import { afterPaint, hurry, whenQuiet } from "../../lib/hurry";
import { Button, Notice } from "../../parts/bits";
import { Broken, said } from "../../player/broken";
import { Player } from "../../player/player";
import { perform, useActions } from "../../state/actions";
import { desk } from "../../state/desk";
import { onLive } from "../../state/live";
import { set, settings } from "../../state/me";
import { go, pathOf, route } from "../../state/route";
import { say } from "../../state/toasts";
import { Rail } from "./rail";
import { Row } from "./row";
import { Scrub } from "./scrub";
import { Strips, type Side } from "./strips";
import { swipes } from "./swipe";

const AHEAD = new URLSearchParams(location.search).get("pool") === "off" ? 0 : 4;
const STRIPS_AFTER_MS = 140;

/** A cut that is chosen, and where it would go. */
export interface Chosen {
  clip: string;
  side: Side;
  /** Where it is, a frame of the video. */
  frame: number;
  to: number;
  /** Where it may go, once the server has said so. */
  room: [number, number] | null;
  /** Whether it is on its way to there: it stays as it is shown until that is settled. */
  sent?: boolean;
}

export function ReviewPage() {
  const screen = useRef<HTMLDivElement>(null);
  const player = useRef<Player | null>(null);
  const ready = useSignal<Player | null>(null);
  const chosen = useSignal<Chosen | null>(null);
  const broken = useMemo(() => new Broken(), []);
  const settled = useSignal<string | null>(null);
  const writing = useSignal<"tags" | "note" | null>(null);
  const clip = desk.current;
  const trouble = useComputed(() => (clip.value ? broken.found.value[clip.value.id] : undefined));

  useLayoutEffect(() => {
    const made = new Player(screen.current as HTMLDivElement, broken.tell);
    player.current = made;
    ready.value = made;
    made.sound = settings.peek().sound;
    const deaf = swipes(screen.current as HTMLElement, screen.current?.parentElement as HTMLElement, (verdict) => perform(verdict));
    desk.start(route.peek().id);
    const hear = onLive(() => made.again());
    // In order: Firefox that is taken away from films on their way may decode none of the next page's either.
    const leave = (): void => made.clear();
    addEventListener("pagehide", leave);
    // First of all at a verdict: the next film is on the screen. Everything else of the page follows behind.
    let following = false;
    const follow = (): void => {
      following = false;
      if (player.current !== made) return;
      const [now, ...next] = desk.clips.peek();
      const before = desk.past.peek()[0]?.clip.id;
      made.prepare([...(now ? [now.id] : []), ...next.slice(0, AHEAD).map((one) => one.id), ...(before && AHEAD ? [before] : [])]);
      document.title = now ? `${desk.left.peek()} left · Heaters` : "Review · Heaters";
    };
    const stop = effect(() => {
      const [now] = desk.clips.value;
      if (now) made.show(now);
      else made.clear();
      if (following) return;
      following = true;
      afterPaint(() => whenQuiet(follow));
    });
    let timer: ReturnType<typeof setTimeout> | null = null;
    const late = effect(() => {
      const id = clip.value?.id ?? null;
      if (timer) clearTimeout(timer);
      timer = setTimeout(() => (settled.value = id), STRIPS_AFTER_MS);
      if (chosen.peek() && chosen.peek()?.clip !== id) chosen.value = null;
    });
    const sound = effect(() => {
      made.sound = settings.value.sound;
    });
    return () => {
      stop();
      late();
      sound();
      hear();
      removeEventListener("pagehide", leave);
      deaf();
      if (timer) clearTimeout(timer);
      made.clear();
      player.current = null;
    };
  }, []);

  useEffect(() => {
    if (route.value.page === "review") desk.choose(route.value.id);
  }, [route.value]);

  const with_ = (run: (now: Player) => void) => () => {
    if (player.current?.clip) run(player.current);
  };

  const choose = (side: Side): void => {
    const now = clip.value;
    if (!now) return;
    const frame = side === "in" ? now.start : now.end;
    if ((side === "in" ? now.confidence_in : now.confidence_out) === null) {
      say("refused", side === "in" ? "The video begins here: there is no cut to choose." : "There is no cut at this end.");
      return;
    }
    chosen.value = { clip: now.id, side, frame, to: frame, room: null };
    desk.actions(now).then(
      (said) => {
        const room = roomOf(said, side);
        const then = chosen.value;
        if (then?.clip !== now.id || then.side !== side || then.sent) return;
        chosen.value = { ...then, room, to: room ? Math.min(room[1], Math.max(room[0], then.to)) : then.to };
      },
      () => {},
    );
  };

  const move = (frames: number) => (): void => {
    if (!chosen.value) choose("in");
    const now = chosen.value;
    if (!now || now.sent) return;
    const [low, high] = now.room ?? [1, Number.MAX_SAFE_INTEGER];
    chosen.value = { ...now, to: Math.min(high, Math.max(low, now.to + frames)) };
  };

  const change = (now: Chosen, wish: CutWish): void => {
    const sent = { ...now, sent: true };
    chosen.value = sent;
    void desk.cut(wish).then(() => {
      if (chosen.value === sent) chosen.value = null;
    });
  };

  const commit = (): void => {
    const now = chosen.value;
    if (now && !now.sent && now.to !== now.frame) change(now, { operation: "move", frame: now.frame, to: now.to });
  };

  const onCut = (operation: "remove" | "confirm"): void => {
    const now = chosen.value;
    if (!now) say("refused", `Choose a cut first, with [ or ], then ${operation} it.`);
    else if (!now.sent) change(now, { operation, frame: now.frame });
  };

  /** A key for what comes of the cuts that are on their way. */
  const next = (run: () => void) => () => desk.afterCut(run);

  useActions({
    approve: next(() => hurry(() => desk.decide("approve"))),
    skip: next(() => hurry(() => desk.decide("skip"))),
    archive: next(() => hurry(() => desk.decide("archive"))),
    group: next(() => hurry(() => desk.group("next"))),
    group_previous: next(() => hurry(() => desk.group("previous"))),
    repeat: next(() => hurry(() => desk.repeat())),
    undo: next(() => hurry(() => desk.undo())),
    redo: next(() => hurry(() => desk.redo())),
    tags: () => (writing.value = "tags"),
    note: () => (writing.value = "note"),
    play: with_((now) => now.toggle()),
    back: with_((now) => now.shuttle(-1)),
    forth: with_((now) => now.shuttle(1)),
    frame_back: with_((now) => now.step(-1)),
    frame_forth: with_((now) => now.step(1)),
    ten_back: with_((now) => now.step(-10)),
    ten_forth: with_((now) => now.step(10)),
    first: with_((now) => now.step(-now.frame.value - 1e6)),
    last: with_((now) => now.step(1e6)),
    loop: with_((now) => now.setLoop(!now.loop.value)),
    sound: () => set({ sound: !settings.value.sound }),
    around: with_((now) => now.around(chosen.value?.side ?? "in")),
    cut_add: with_((now) => {
      if (!now.clip) return;
      const { here } = now;
      now.pause();
      if (here === null) say("refused", "The clip is still on its way: there is no frame to cut at yet.");
      else if (now.guesses) {
        now.again();
        say("refused", "Which frame this is cannot be told: the clip's frame table could not be had. It was asked for again.");
      } else void desk.cut({ operation: "add", frame: now.clip.start + here });
    }),
    cut_remove: next(() => onCut("remove")),
    cut_confirm: next(() => onCut("confirm")),
    cut_previous: next(() => choose("in")),
    cut_next: next(() => choose("out")),
    cut_back: next(move(-1)),
    cut_forth: next(move(1)),
    cut_ten_back: next(move(-10)),
    cut_ten_forth: next(move(10)),
    commit: next(commit),
    cancel: next(() => {
      chosen.value = null;
      writing.value = null;
    }),
    similar: () => clip.value && go(pathOf("search", null, { like: clip.value.id })),
  });

  return (
    <main class="review" aria-label="Review">
      <section class="stage" aria-label="Clip">
        <div class="screen-box" data-flash={useFlash()}>
          <div class="screen" ref={screen} onClick={() => perform("play")} />
          <Empty />
          {trouble.value && clip.value && (
            <div class="over">
              <Notice
                tone="failed"
                title="This clip does not play"
                action={<Button label="Look at the video" onPress={() => clip.value && go(pathOf("video", clip.value.video_id))} />}
              >
                <p>
                  {said(trouble.value)} It was reported. A verdict can be given all the same.
                </p>
              </Notice>
            </div>
          )}
        </div>
        {clip.value && ready.value && <Scrub player={ready.value} clip={clip.value} chosen={chosen} />}
        <Strips clip={clip.value} settled={settled.value} chosen={chosen} onChoose={choose} onCommit={commit} />
        <Row />
        <Verdicts />
      </section>
      <Rail writing={writing} chosen={chosen} onCut={onCut} onCommit={commit} />
    </main>
  );
}

function useFlash(): string | undefined {
  const word = useSignal<string | undefined>(undefined);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | null = null;
    return effect(() => {
      const now = desk.flash.value;
      desk.rate.count.value;
      if (!now) return;
      word.value = now;
      if (timer) clearTimeout(timer);
      timer = setTimeout(() => {
        word.value = undefined;
        desk.flash.value = null;
      }, 140);
    });
  }, []);
  return word.value;
}

function roomOf(said: Actions, side: Side): [number, number] | null {
  const found = said.actions.find((one) => one.action === `move_cut_${side}`);
  if (found && !found.allowed && found.reason) say("refused", found.reason);
  return found?.frames ? [found.frames[0] as number, found.frames[1] as number] : null;
}

function Verdicts() {
  const none = !desk.current.value;
  return (
    <div class="verdicts" role="group" aria-label="Verdict">
      <Button kind="verdict" tone="approve" icon="approve" label="Approve" action="approve" disabled={none} onPress={() => perform("approve")} />
      <Button kind="verdict" tone="skip" icon="skip" label="Skip" action="skip" disabled={none} onPress={() => perform("skip")} />
      <Button kind="verdict" tone="archive" icon="archive" label="Archive" action="archive" disabled={none} onPress={() => perform("archive")} />
      <Button kind="verdict" tone="group" icon="group" label="Group" action="group" disabled={none} onPress={() => perform("group")} title="Approve this clip and the next one, as one group" />
      <span class="space" />
      <Button kind="verdict" tone="plain" icon="cut" label="Cut here" action="cut_add" disabled={none} onPress={() => perform("cut_add")} class="second" />
      <Button kind="verdict" tone="plain" icon="undo" label="Undo" action="undo" onPress={() => perform("undo")} />
    </div>
  );
}

function Empty() {
  if (desk.current.value) return null;
  if (desk.state.value === "loading") return <div class="over loading" aria-busy="true" aria-label="Loading clips" />;
  if (desk.state.value === "failed") {
    return (
      <div class="over">
        <Notice tone="failed" title="The review desk does not answer" action={<Button kind="solid" label="Try again" icon="retry" onPress={() => void desk.fill()} />}>
          <p>{desk.problem.value} What you have decided is kept, and sent once it answers.</p>
        </Notice>
      </div>
    );
  }
  if (desk.left.value > 0) {
    return (
      <div class="over">
        <Notice
          title={`${desk.left.value} ${desk.left.value === 1 ? "clip is" : "clips are"} held on other pages`}
          action={<Button kind="solid" label="Take mine here" onPress={() => void desk.takeMine()} />}
        >
          <p>Whoever holds a clip decides on it, or hands it back; it comes here by itself then. What you hold yourself, on another page, you can have at once.</p>
        </Notice>
      </div>
    );
  }
  return (
    <div class="over">
      <Notice
        title={desk.video.value ? "Nothing of this video waits for a verdict" : "Nothing waits for a verdict"}
        action={
          desk.video.value ? (
            <Button kind="solid" label="Review all videos" onPress={() => go("/")} />
          ) : (
            <Button kind="solid" icon="drop" label="Add a video" onPress={() => go("/pipeline")} />
          )
        }
      >
        <p>Clips appear here by themselves, as the parts of a video are finished.</p>
      </Notice>
    </div>
  );
}
