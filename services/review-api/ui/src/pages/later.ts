// What the first page does not need, in one part: it is fetched once the first page rests.

export { Exporting } from "../parts/exporting";
export { AccountPage } from "./account";
export { FailedPage } from "./failed";
export { PipelinePage } from "./pipeline/pipeline";
export { SearchPage } from "./search";
export { TimelinePage } from "./timeline/timeline";
export { VideoPage } from "./video";
