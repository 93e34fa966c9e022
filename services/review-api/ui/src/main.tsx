// The page: one bundle, one connection, one outbox.

import "../../src/heaters_review_api/ui/static/tokens.css";
import "./style/base.css";
import "./style/review.css";
import "./style/tiles.css";
import "./style/lists.css";
import "./style/timeline.css";
import { render } from "preact";
import { SignedOut } from "./api/client";
import { App } from "./app";
import { onKey } from "./state/actions";
import { watch } from "./state/live";
import { load } from "./state/me";
import { followLinks, go } from "./state/route";
import { say } from "./state/toasts";

const AGAIN_MS = 3000;

// The token has done its work: the cookie is set. It shall not stay in the address or the history.
const here = new URL(location.href);
if (here.searchParams.has("token")) {
  here.searchParams.delete("token");
  go(here.pathname + here.search, { replace: true });
}

/** Ask who sits here, until that is known: what was decided in their name waits for it. */
function begin(): void {
  load().catch((error: unknown) => {
    if (error instanceof SignedOut) location.assign("/");
    else {
      say("failed", error instanceof Error ? error.message : String(error));
      setTimeout(begin, AGAIN_MS);
    }
  });
}

followLinks();
addEventListener("keydown", onKey);
watch();
begin();

const root = document.getElementById("root");
if (root) render(<App />, root);
