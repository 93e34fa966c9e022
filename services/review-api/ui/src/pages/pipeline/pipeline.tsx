// The pipeline: videos as rows, stages as columns; what moves is shown moving, what has failed says why.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { newKey, send } from "../../api/client";
import type { Failure, Video } from "../../api/types";
import { bytes, clock, milliseconds } from "../../lib/time";
import { Bar, Button, Notice } from "../../parts/bits";
import { Icon } from "../../parts/icons";
import { mayIngest, mayOperate } from "../../state/me";
import { pathOf } from "../../state/route";
import { say } from "../../state/toasts";
import { incoming, resumeUpload, stopUpload, takeAddresses, takeFiles } from "../../state/uploads";
import { failures, moreVideos, nextVideos, progress, refreshStages, refreshVideos, stages, videos, videosProblem, videosState, watchProgress } from "../../state/videos";
import { cellsOf, COLUMNS, depths, insteadOf, type Cell, type Instead as Said } from "./cells";
import { pace } from "./pace";

export function PipelinePage() {
  const over = useSignal(false);
  useEffect(() => watchProgress(), []);
  useEffect(() => {
    const paste = (event: ClipboardEvent): void => {
      if (event.target instanceof Element && event.target.closest("input, textarea")) return;
      const files = [...(event.clipboardData?.files ?? [])];
      const text = event.clipboardData?.getData("text/plain") ?? "";
      if (files.length) takeFiles(files);
      else if (text.trim()) void takeAddresses(text);
    };
    addEventListener("paste", paste);
    return () => removeEventListener("paste", paste);
  }, []);

  return (
    <main
      class="list-page pipeline"
      data-over={over.value}
      onDragOver={(event) => {
        event.preventDefault();
        over.value = true;
      }}
      onDragLeave={(event) => event.currentTarget === event.target && (over.value = false)}
      onDrop={(event) => {
        event.preventDefault();
        over.value = false;
        const files = [...(event.dataTransfer?.files ?? [])];
        const text = event.dataTransfer?.getData("text/uri-list") || event.dataTransfer?.getData("text/plain") || "";
        if (files.length) takeFiles(files);
        else if (text) void takeAddresses(text);
      }}
    >
      <header class="page-head">
        <h1>Videos</h1>
        {mayIngest.value && <Ask />}
      </header>
      <Incoming />
      <Table />
      <Foot />
    </main>
  );
}

function Ask() {
  const text = useSignal("");
  const files = useRef<HTMLInputElement>(null);
  return (
    <form
      class="ask"
      onSubmit={(event) => {
        event.preventDefault();
        const said = text.value;
        text.value = "";
        if (said.trim()) void takeAddresses(said).then((left) => (text.value ||= left.join(" ")));
      }}
    >
      <input
        type="text"
        inputMode="url"
        aria-label="Address of a video"
        placeholder="Paste an address, or drop files anywhere"
        value={text.value}
        onInput={(event) => (text.value = event.currentTarget.value)}
      />
      <button class="button solid" disabled={!text.value.trim()}>
        Add
      </button>
      <Button icon="drop" label="Choose files" onPress={() => files.current?.click()} />
      <input
        ref={files}
        type="file"
        multiple
        class="sr"
        tabIndex={-1}
        aria-label="Files to add"
        accept="video/*,.mkv,.mxf,.ts"
        onChange={(event) => {
          takeFiles([...(event.currentTarget.files ?? [])]);
          event.currentTarget.value = "";
        }}
      />
    </form>
  );
}

function Incoming() {
  if (!incoming.value.length) return null;
  return (
    <ul class="incoming" aria-label="Files on their way">
      {incoming.value.map((one) => (
        <li key={one.id} data-state={one.state}>
          <Icon name={one.state === "failed" ? "failed" : "drop"} />
          <span class="what">{one.name}</span>
          <Bar value={one.bytes ? one.sent / one.bytes : 0} label={`${one.name}, sent`} />
          <span class="time">
            {bytes(one.sent)} of {bytes(one.bytes)}
          </span>
          {one.problem && <span class="why">{one.problem}</span>}
          {one.state === "asking" && <span class="quiet">asking for it</span>}
          {(one.state === "failed" || one.state === "stopped") && <Button label="Go on" icon="retry" onPress={() => resumeUpload(one.id)} />}
          <Button kind="icon" icon="close" label={one.state === "sending" ? "Stop" : "Take off the list"} onPress={() => stopUpload(one.id)} />
        </li>
      ))}
    </ul>
  );
}

function Table() {
  if (videosState.value === "loading") return <div class="blocks" aria-busy="true" aria-label="Loading videos" />;
  if (videosState.value === "failed") {
    return (
      <Notice tone="failed" title="The list of videos cannot be read" action={<Button kind="solid" icon="retry" label="Try again" onPress={refreshVideos} />}>
        <p>{videosProblem.value}</p>
      </Notice>
    );
  }
  if (!videos.value.length) {
    return (
      <Notice title="No videos yet">
        <p>
          Drop files anywhere on this page, or paste an address above. Clips of a video open for review while the rest of it is still being made.
        </p>
      </Notice>
    );
  }
  return (
    <>
      <div class="table" role="table" aria-label="Videos and their stages">
        <div class="tr head" role="row">
          <span role="columnheader">video</span>
          {COLUMNS.map((column) => (
            <span role="columnheader" key={column}>
              {column}
            </span>
          ))}
          <span role="columnheader" class="end">
            time left
          </span>
        </div>
        {videos.value.map((video) => (
          <VideoRow key={video.id} video={video} failed={failures.value.filter((failure) => failure.video_id === video.id)} />
        ))}
      </div>
      {nextVideos.value && (
        <p class="more">
          <Button label="Show more" icon="down" onPress={() => void moreVideos()} />
        </p>
      )}
    </>
  );
}

function VideoRow({ video, failed }: { video: Video; failed: readonly Failure[] }) {
  const going = progress.value.filter((one) => one.video_id === video.id);
  const left = pace(video, going);
  const instead = insteadOf(video);
  const length = video.duration_ticks !== null && video.time_base ? clock(milliseconds(video.duration_ticks, video.time_base)) : "";
  return (
    <div class="tr" role="row" data-video={video.id} data-state={video.state}>
      <span role="cell" class="first">
        <a href={pathOf("video", video.id)} data-page="video" title={video.title ?? video.id}>
          {video.title ?? video.id.slice(0, 8)}
        </a>
        <span class="time quiet">{length}</span>
      </span>
      {instead ? (
        <span role="cell" class="instead" aria-colspan={COLUMNS.length}>
          <Instead said={instead} />
        </span>
      ) : (
        cellsOf(video, going, failed).map((cell, n) => (
          <span role="cell" key={COLUMNS[n]} data-label={COLUMNS[n]}>
            <CellView cell={cell} video={video} column={COLUMNS[n] ?? ""} />
          </span>
        ))
      )}
      <span role="cell" class="end time quiet" data-label="time left">
        {left}
      </span>
      {failed.map((failure) => (
        <FailureLine key={failure.id} failure={failure} cell />
      ))}
    </div>
  );
}

/** What a video is that goes through no stage itself, with the way to the one that does. */
export function Instead({ said }: { said: Said }) {
  return (
    <>
      {said.text}{" "}
      {said.twin && (
        <a class="cell-link" href={pathOf("video", said.twin)} data-page="video">
          {videos.value.find((one) => one.id === said.twin)?.title ?? said.twin.slice(0, 8)}
        </a>
      )}
    </>
  );
}

function CellView({ cell, video, column }: { cell: Cell; video: Video; column: string }) {
  if (cell.kind === "none") return <span class="quiet" aria-label="not yet">–</span>;
  if (cell.kind === "going") {
    return (
      <span class="going">
        <Bar value={cell.share} label={`${column} of ${video.title ?? "video"}`} />
        <span class="time">{cell.text}</span>
        {cell.note && <span class="note time quiet">{cell.note}</span>}
      </span>
    );
  }
  if (cell.kind === "waits") {
    return (
      <span class="going">
        <Icon name="clock" />
        <span class="time">{cell.text}</span>
        <span class="note quiet">{cell.note}</span>
      </span>
    );
  }
  if (cell.kind === "failed") {
    return (
      <span class="mark" data-tone="failed">
        <Icon name="failed" />
        {cell.text}
      </span>
    );
  }
  const text = (
    <>
      {cell.kind === "done" && <Icon name="approve" class="ok" />}
      <span>{cell.text}</span>
    </>
  );
  return column === "review" ? (
    <a class="cell-link" href={pathOf("review", video.id)} data-page="review" title="Review only this video">
      {text}
    </a>
  ) : (
    <span class={`mark plain ${cell.kind}`}>{text}</span>
  );
}

export function FailureLine({ failure, cell = false }: { failure: Failure; cell?: boolean }) {
  const busy = useSignal(false);
  const act = (what: "retry" | "discard", done: string): void => {
    busy.value = true;
    send("POST", `/api/failures/${failure.id}/${what}`, {}, newKey()).then(
      () => {
        say("done", done);
        refreshVideos();
      },
      (error: Error) => {
        busy.value = false;
        say("refused", error.message);
      },
    );
  };
  return (
    <div class="failure" role={cell ? "cell" : undefined}>
      <Icon name="failed" />
      <span class="why">
        <b>{failure.stage.replaceAll("_", " ")}: </b>
        {failure.reason}
      </span>
      <span class="quiet">
        {failure.attempts} {failure.attempts === 1 ? "attempt" : "attempts"}
      </span>
      {mayOperate.value && failure.stage !== "admission" && (
        <span class="row">
          <Button icon="retry" label="Retry" disabled={busy.value} onPress={() => act("retry", "It is tried again.")} />
          <Button kind="quiet" label="Discard" disabled={busy.value} onPress={() => act("discard", "The failure was discarded.")} />
        </span>
      )}
    </div>
  );
}

function Foot() {
  const waiting = depths(videos.value);
  return (
    <footer class="page-foot">
      <span class="quiet">waiting</span>
      {waiting.map(([stage, count]) => (
        <span key={stage} class="depth">
          {stage} <b class="time">{count}</b>
        </span>
      ))}
      {waiting.length === 0 && <span class="quiet">nothing</span>}
      <span class="space" />
      {mayOperate.value &&
        stages.value.map((stage) => (
          <button
            type="button"
            key={stage.stage}
            class="stage"
            aria-pressed={stage.paused}
            title={stage.paused ? `Rests: ${stage.reason}. Press to let it work again.` : "Press to let this stage rest."}
            onMouseDown={(event) => event.preventDefault()}
            onClick={() => {
              const path = `/api/stages/${stage.stage}/${stage.paused ? "resume" : "pause"}`;
              send("POST", path, stage.paused ? {} : { reason: "paused on the pipeline page" }, newKey()).then(
                () => void refreshStages(),
                (error: Error) => say("refused", error.message),
              );
            }}
          >
            <Icon name={stage.paused ? "pause" : "play"} />
            {stage.stage.replaceAll("_", " ")}
            {stage.paused && <span class="quiet">rests</span>}
          </button>
        ))}
    </footer>
  );
}

