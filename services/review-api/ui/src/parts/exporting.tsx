// Clips that are files, for other teams: in which format, and on to the download, a part at a time.

import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { address, nextPart, type Query } from "../api/client";
import { Button, Dialog } from "./bits";

const FORMATS = [
  ["tar", "WebDataset", "the clips' files, each with its facts as JSON, in tar shards"],
  ["parquet", "Parquet", "a table of facts, one row a clip"],
  ["csv", "CSV", "a table of facts, one line a clip"],
  ["jsonl", "JSON lines", "facts, one object a line"],
  ["edl", "EDL", "a CMX 3600 list of events for an editing program"],
  ["fcpxml", "FCPXML", "a timeline for Final Cut Pro or Resolve"],
  ["otio", "OpenTimelineIO", "a timeline for any program that reads OTIO"],
] as const;
const TIMELINES: readonly string[] = ["edl", "fcpxml", "otio"];

export interface ExportProps {
  /** What is exported, for people. */
  what: string;
  query: Query;
  onClose: () => void;
}

export function Exporting({ what, query, onClose }: ExportProps) {
  const format = useSignal<string>("tar");
  const media = useSignal("source");
  const busy = useSignal(false);
  const problem = useSignal("");
  const got = useSignal<{ parts: number; clips: number; next: string | null } | null>(null);
  const turn = useRef(0);
  const timeline = TIMELINES.includes(format.value);

  const download = async (): Promise<void> => {
    busy.value = true;
    problem.value = "";
    const before = got.value;
    const mine = turn.current;
    const at = address(`/api/exports/clips.${format.value}`, { ...query, ...(timeline ? { media: media.value } : {}), cursor: before?.next });
    try {
      const part = await nextPart(at);
      const link = document.createElement("a");
      link.href = at;
      link.download = "";
      link.click();
      // Of another format the next part is the first.
      if (mine === turn.current) got.value = { parts: (before?.parts ?? 0) + 1, clips: (before?.clips ?? 0) + part.clips, next: part.next };
    } catch (error) {
      if (mine === turn.current) problem.value = error instanceof Error ? error.message : String(error);
    } finally {
      busy.value = false;
    }
  };
  const again = (): void => {
    turn.current += 1;
    got.value = null;
    problem.value = "";
  };

  return (
    <Dialog title="Export" onClose={onClose}>
      <header class="dialog-head">
        <h1>Export</h1>
        <p class="quiet">{what}. Only clips that are exported already are files, and taken.</p>
        <span class="space" />
        <Button kind="icon" icon="close" label="Close" onPress={onClose} />
      </header>
      <div class="export-body">
        <fieldset class="formats">
          <legend class="sr">Format</legend>
          {FORMATS.map(([id, name, about]) => (
            <label key={id} class="format">
              <input
                type="radio"
                name="format"
                checked={format.value === id}
                onChange={() => {
                  format.value = id;
                  again();
                }}
              />
              <b>{name}</b>
              <span class="quiet">{about}</span>
            </label>
          ))}
        </fieldset>
        {timeline && (
          <label class="field">
            <span class="quiet">events name</span>
            <select
              value={media.value}
              onChange={(event) => {
                media.value = event.currentTarget.value;
                again();
              }}
            >
              <option value="source">the videos that clips were cut from</option>
              <option value="clips">the clips' own files</option>
            </select>
          </label>
        )}
        {problem.value && (
          <p class="bad" role="alert">
            {problem.value}
          </p>
        )}
        <div class="row">
          {(!got.value || got.value.next) && <Button kind="solid" icon="drop" label={got.value ? `Download part ${got.value.parts + 1}` : "Download"} disabled={busy.value} onPress={() => void download()} />}
          {got.value && (
            <span role="status">
              {got.value.clips.toLocaleString("en")} {got.value.clips === 1 ? "clip" : "clips"} in {got.value.parts} {got.value.parts === 1 ? "file" : "files"}
              {got.value.next ? ", and there are more" : ": that is all"}
            </span>
          )}
        </div>
      </div>
    </Dialog>
  );
}
