// One file to the store, through the API. XMLHttpRequest, because fetch tells nothing of what was sent.

import { Refused, Unreachable, address } from "./client";
import type { Upload } from "./types";

/** Send a whole file; `onSent` is told how many bytes of it have gone. */
export function uploadFile(file: File, onSent: (bytes: number) => void, stop: AbortSignal): Promise<Upload> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", address("/api/uploads", { name: file.name }));
    request.setRequestHeader("content-type", "application/octet-stream");
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => onSent(event.loaded));
    request.addEventListener("load", () => {
      if (request.status >= 200 && request.status < 300) resolve(request.response as Upload);
      else reject(new Refused(request.status, (request.response ?? {}) as { detail?: string }));
    });
    request.addEventListener("error", () => reject(new Unreachable("The connection was lost.")));
    request.addEventListener("abort", () => reject(new Unreachable("stopped")));
    stop.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}
