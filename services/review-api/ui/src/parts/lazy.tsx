// What the first page does not need is fetched once it rests, so that it is there without a connection, too; or when it is asked for before.

import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { whenQuiet } from "../lib/hurry";
import { useKeysLater } from "../state/actions";
import { Button, Notice } from "./bits";

const REST_MS = 2000;
const later: (() => Promise<unknown>)[] = [];

/** Fetch all of them, one after another, once the page rests. */
export function fetchLater(): void {
  setTimeout(() => {
    const next = (): void => {
      const load = later.shift();
      if (load) whenQuiet(() => void load().then(next, () => {}));
    };
    next();
  }, REST_MS);
}

/** A part that is fetched when it is first shown. `bare`: it has no place of its own on the page, so nothing stands in for it. */
export function lazily<P extends object>(load: () => Promise<ComponentType<P>>, bare = false): ComponentType<P> {
  let known: ComponentType<P> | null = null;
  later.push(() => load().then((part) => (known = part)));
  return function Lazy(props: P) {
    const [Shown, setShown] = useState<ComponentType<P> | null>(() => known);
    const [failed, setFailed] = useState(false);
    useEffect(() => {
      if (Shown) return;
      load().then(
        (part) => {
          known = part;
          setShown(() => part);
        },
        () => setFailed(true),
      );
    }, []);
    useKeysLater(!bare && !Shown && !failed, () => true);
    if (Shown) return <Shown {...props} />;
    if (failed) {
      return (
        <Notice tone="failed" title="This part cannot be fetched" action={<Button kind="solid" icon="retry" label="Load the page anew" onPress={() => location.reload()} />}>
          <p>The server cannot be reached, or has a newer page by now.</p>
        </Notice>
      );
    }
    return bare ? null : (
      <main class="list-page">
        <div class="blocks" aria-busy="true" aria-label="Loading" />
      </main>
    );
  };
}
