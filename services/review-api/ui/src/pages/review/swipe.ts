// A finger on the picture: to the right approves, to the left skips, as far as it is drawn; the picture follows the finger.

const FAR_PX = 88;
const SLACK_PX = 8;

/** Listen to swipes on the picture; `box` shows which verdict it will be. Returns how to listen no more. */
export function swipes(screen: HTMLElement, box: HTMLElement, decide: (verdict: "approve" | "skip") => void): () => void {
  let from: { id: number; x: number } | null = null;
  let by = 0;
  const show = (): void => {
    screen.style.transform = by ? `translateX(${by}px)` : "";
    if (Math.abs(by) > SLACK_PX) box.dataset["swipe"] = by > 0 ? "approve" : "skip";
    else delete box.dataset["swipe"];
    box.dataset["far"] = String(Math.abs(by) >= FAR_PX);
  };
  const end = (): void => {
    from = null;
    by = 0;
    show();
  };
  const down = (event: PointerEvent): void => {
    if (event.pointerType === "touch" && event.isPrimary) from = { id: event.pointerId, x: event.clientX };
  };
  const move = (event: PointerEvent): void => {
    if (event.pointerId !== from?.id) return;
    by = event.clientX - from.x;
    show();
  };
  const up = (event: PointerEvent): void => {
    if (event.pointerId !== from?.id) return;
    const verdict = Math.abs(by) < FAR_PX ? null : by > 0 ? "approve" : "skip";
    end();
    if (verdict) decide(verdict);
  };
  const does = { pointerdown: down, pointermove: move, pointerup: up, pointercancel: end };
  for (const [name, run] of Object.entries(does)) screen.addEventListener(name, run as EventListener);
  return () => {
    for (const [name, run] of Object.entries(does)) screen.removeEventListener(name, run as EventListener);
  };
}
