// The small parts that every page is made of.

import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { frameAddress } from "../api/client";
import type { ClipState } from "../api/types";
import { chordsOf } from "../state/actions";
import { onLive } from "../state/live";
import { keysOf } from "../lib/chord";
import { takeTurn } from "../lib/pictures";
import { Icon, type IconName } from "./icons";

/** A chord, drawn as keys. */
export function Keys({ chord }: { chord: string }) {
  return (
    <span class="keys">
      {keysOf(chord).map((key) => (
        <kbd key={key}>{key}</kbd>
      ))}
    </span>
  );
}

interface ButtonProps {
  label: string;
  onPress: () => void;
  icon?: IconName;
  /** The action whose key is drawn on it. */
  action?: string;
  kind?: "plain" | "solid" | "quiet" | "verdict" | "icon";
  tone?: string;
  disabled?: boolean;
  pressed?: boolean;
  title?: string;
  class?: string;
  children?: ComponentChildren;
}

/** A button. Pressed by the mouse it does not take the focus, so that the keys go on working as before. */
export function Button({ label, onPress, icon, action, kind = "plain", tone, disabled, pressed, title, class: more = "", children }: ButtonProps) {
  const chord = action ? chordsOf(action)[0] : undefined;
  return (
    <button
      type="button"
      class={`button ${kind} ${more}`}
      data-tone={tone}
      aria-label={kind === "icon" ? label : undefined}
      aria-pressed={pressed}
      aria-keyshortcuts={chord?.replace("Ctrl", "Control")}
      title={title ?? (kind === "icon" ? `${label}${chord ? ` (${chord})` : ""}` : undefined)}
      disabled={disabled}
      onMouseDown={(event) => event.preventDefault()}
      onClick={onPress}
    >
      {icon && <Icon name={icon} />}
      {kind !== "icon" && <span class="label">{label}</span>}
      {children}
      {chord && kind !== "icon" && <kbd>{chord}</kbd>}
    </button>
  );
}

/** What stands where there is nothing, or something has gone wrong: what, why, and what to do. */
export function Notice({ title, children, tone, action }: { title: string; children?: ComponentChildren; tone?: "failed"; action?: ComponentChildren }) {
  return (
    <div class={`notice ${tone ?? ""}`} role={tone === "failed" ? "alert" : "status"}>
      <h1>{title}</h1>
      {children && <div class="quiet">{children}</div>}
      {action && <div class="row">{action}</div>}
    </div>
  );
}

/** One frame of a video. A quiet block stands in its place until it is there. */
export function Frame({ video, frame, alt = "", class: more = "" }: { video: string; frame: number; alt?: string; class?: string }) {
  const address = frameAddress(video, frame);
  const [loaded, setLoaded] = useState("");
  const [broken, setBroken] = useState("");
  const [tries, setTries] = useState(0);
  const image = useRef<HTMLImageElement>(null);
  const end = useRef(() => {});
  useEffect(() => {
    const element = image.current as HTMLImageElement;
    end.current = takeTurn(() => (element.src = address));
    return () => {
      end.current();
      // What leaves before it is there is not fetched to its end.
      if (!element.complete) element.src = "";
    };
  }, [address, tries]);
  useEffect(() => {
    if (broken !== address) return;
    return onLive(() => {
      setBroken("");
      setTries((count) => count + 1);
    });
  }, [address, broken]);
  return (
    <span class={`frame ${more}`} data-loaded={loaded === address} data-broken={broken === address}>
      <img
        ref={image}
        alt={alt}
        decoding="async"
        draggable={false}
        // What is told of a picture that was taken away, or was another one, says nothing of this one.
        onLoad={(event) => {
          if (event.currentTarget.getAttribute("src") !== address) return;
          end.current();
          setLoaded(address);
        }}
        onError={(event) => {
          if (event.currentTarget.getAttribute("src") !== address) return;
          end.current();
          setBroken(address);
        }}
      />
    </span>
  );
}

const STATES: Record<ClipState, { word: string; tone: string; icon: IconName }> = {
  pending_review: { word: "to review", tone: "pending", icon: "clock" },
  review_approved: { word: "approved", tone: "approve", icon: "approve" },
  exporting: { word: "exporting", tone: "approve", icon: "approve" },
  exported: { word: "exported", tone: "approve", icon: "approve" },
  keyframing: { word: "keyframing", tone: "approve", icon: "approve" },
  keyframed: { word: "keyframed", tone: "approve", icon: "approve" },
  embedding: { word: "embedding", tone: "approve", icon: "approve" },
  embedded: { word: "searchable", tone: "approve", icon: "approve" },
  review_skipped: { word: "skipped", tone: "skip", icon: "skip" },
  review_archived: { word: "archived", tone: "archive", icon: "archive" },
  superseded: { word: "cut changed", tone: "skip", icon: "cut" },
  export_failed: { word: "export failed", tone: "failed", icon: "failed" },
  keyframe_failed: { word: "keyframes failed", tone: "failed", icon: "failed" },
  embedding_failed: { word: "embedding failed", tone: "failed", icon: "failed" },
};

export const stateOf = (state: ClipState): { word: string; tone: string; icon: IconName } =>
  STATES[state] ?? { word: state.replaceAll("_", " "), tone: "skip", icon: "clock" };

/** A clip's state: colour, sign and word. */
export function StateMark({ state }: { state: ClipState }) {
  const { word, tone, icon } = stateOf(state);
  return (
    <span class="mark" data-tone={tone}>
      <Icon name={icon} />
      {word}
    </span>
  );
}

/** A dialog over the page; Esc and a press beside it close it. */
export function Dialog({ title, onClose, children, wide = false }: { title: string; onClose: () => void; children: ComponentChildren; wide?: boolean }) {
  const dialog = useRef<HTMLDialogElement>(null);
  // At once: the key that is pressed next is meant for it.
  useLayoutEffect(() => {
    const element = dialog.current;
    const before = document.activeElement;
    element?.showModal();
    return () => {
      element?.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      class={wide ? "dialog wide" : "dialog"}
      aria-label={title}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onMouseDown={(event) => event.target === dialog.current && onClose()}
    >
      <div class="dialog-body">{children}</div>
    </dialog>
  );
}

/** A share as a bar, with its number for those who do not see it. */
export function Bar({ value, label }: { value: number; label: string }) {
  const percent = Math.round(Math.min(1, Math.max(0, value)) * 100);
  return (
    <span class="bar-of" role="progressbar" aria-label={label} aria-valuenow={percent} aria-valuemin={0} aria-valuemax={100}>
      <i style={{ width: `${percent}%` }} />
    </span>
  );
}
