// The API's own types, made from its OpenAPI document by the build.

export type {
  Account,
  Accounts,
  Actions,
  Admission,
  Clip,
  ClipIds,
  Clips,
  ClipState,
  Cut,
  CutsChanged,
  CutWish,
  DecisionList,
  Deeds,
  Event as VideoEvent,
  Facts,
  Failure,
  FailureInFull,
  Failures,
  Grouped,
  Handed,
  Me,
  Neighbours,
  People,
  Present,
  PresentList,
  ProgressList,
  Role,
  Progress,
  Queue,
  SelectionDecided,
  Stage,
  Stages,
  StillHeld,
  Storyboard,
  Suggestions,
  Timing as FrameTimes,
  Token,
  TokenMade,
  Tokens,
  Turned,
  Upload,
  VerdictGiven,
  Video,
  VideoDetail,
  Videos,
  VideoState,
} from "./schema";

export type Verdict = "approve" | "skip" | "archive";

/** A fact that has changed the tables, as the live connection tells it. */
export interface Change {
  sequence: number;
  type: string;
  at: string;
  video_id: string;
  clip_id: string | null;
}
