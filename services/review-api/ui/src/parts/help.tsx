// All keys, and how to have others: press a key beside an action, then the new one.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { chordOf } from "../lib/chord";
import { ACTIONS, chordsOf, rebind, type Action } from "../state/actions";
import { set, settings } from "../state/me";
import { Button, Dialog, Keys } from "./bits";

const GROUPS: readonly Action["group"][] = ["Verdicts", "Playing", "Cuts", "Grid", "Timeline", "Anywhere"];

export function Help({ onClose }: { onClose: () => void }) {
  const editing = useSignal<string | null>(null);

  useEffect(() => {
    const take = (event: KeyboardEvent): void => {
      const id = editing.value;
      if (!id) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      const chord = chordOf(event);
      if (!chord) return;
      if (chord !== "Esc") rebind(id, [chord]);
      editing.value = null;
    };
    addEventListener("keydown", take, { capture: true });
    return () => removeEventListener("keydown", take, { capture: true });
  }, []);

  const changed = Object.keys(settings.value.keys).length > 0;
  return (
    <Dialog title="Keys" onClose={onClose} wide>
      <header class="dialog-head">
        <h1>Keys</h1>
        <p class="quiet">Press a key's field, then the key that you would rather have. Letters are where they are on the keyboard, whatever the layout.</p>
        <span class="space" />
        {changed && <Button label="All as usual" icon="undo" onPress={() => set({ keys: {} })} />}
        <Button kind="icon" icon="close" label="Close" onPress={onClose} />
      </header>
      <div class="key-groups">
        {GROUPS.map((group) => (
          <section key={group}>
            <h2>{group}</h2>
            <ul>
              {ACTIONS.filter((action) => action.group === group).map((action) => (
                <li key={action.id}>
                  <span>{action.title}</span>
                  <button
                    type="button"
                    class="rebind"
                    data-action={action.id}
                    data-changed={action.id in settings.value.keys}
                    aria-label={`Key for: ${action.title}`}
                    aria-description={editing.value === action.id ? "press a key" : chordsOf(action.id).join(" or ") || "none"}
                    onClick={() => (editing.value = editing.value === action.id ? null : action.id)}
                  >
                    <span aria-hidden="true">
                      {editing.value === action.id ? (
                        <em>press a key</em>
                      ) : chordsOf(action.id).length ? (
                        chordsOf(action.id).map((chord) => <Keys key={chord} chord={chord} />)
                      ) : (
                        <em>none</em>
                      )}
                    </span>
                  </button>
                </li>
              ))}
            </ul>
          </section>
        ))}
      </div>
    </Dialog>
  );
}
