// Dragging a card onto a place marked data-drop, by pointer events: mouse, pen and touch alike. What the pointer does is kept in a
// ref, since moves come faster than React draws.
import {useRef, useState, type PointerEvent} from "react";

export interface Drag {
  id: string;
  over: string; // the data-drop below the pointer
  left: number; // of the card that follows the pointer
  top: number;
  width: number;
}
interface Press {
  id: string;
  x: number;
  y: number;
  dx: number;
  dy: number;
  width: number;
  started: boolean;
}

const START_PX = 6, EDGE_PX = 56, SCROLL_PX = 14;

const dropAt = (x: number, y: number): string => document.elementFromPoint(x, y)?.closest<HTMLElement>("[data-drop]")?.dataset.drop ?? "";

export function useDrag(onDrop: (id: string, on: string) => void) {
  const press = useRef<Press | null>(null);
  const [drag, setDrag] = useState<Drag | null>(null);

  const down = (event: PointerEvent<HTMLElement>, id: string) => {
    const target = event.target as HTMLElement;
    if (event.button !== 0 || target.closest("select")) return;
    // By touch only the grip drags, so that a finger on a card still scrolls the page.
    if (event.pointerType === "touch" && !target.closest(".st-grip")) return;
    const box = event.currentTarget.getBoundingClientRect();
    event.currentTarget.setPointerCapture(event.pointerId);
    press.current = {id, x: event.clientX, y: event.clientY, dx: event.clientX - box.left, dy: event.clientY - box.top, width: box.width, started: false};
  };
  const move = (event: PointerEvent<HTMLElement>) => {
    const p = press.current;
    if (!p) return;
    p.started ||= Math.hypot(event.clientX - p.x, event.clientY - p.y) > START_PX;
    if (!p.started) return;
    const scroller = event.currentTarget.closest("main, dialog");
    if (event.clientY < EDGE_PX) scroller?.scrollBy(0, -SCROLL_PX);
    else if (event.clientY > window.innerHeight - EDGE_PX) scroller?.scrollBy(0, SCROLL_PX);
    setDrag({id: p.id, over: dropAt(event.clientX, event.clientY), left: event.clientX - p.dx, top: event.clientY - p.dy, width: p.width});
  };
  const end = () => {
    press.current = null;
    setDrag(null);
  };
  const up = (event: PointerEvent<HTMLElement>) => {
    const p = press.current;
    const on = p?.started ? dropAt(event.clientX, event.clientY) : "";
    end();
    if (p && on) onDrop(p.id, on);
  };
  const handlers = (id: string) => ({
    onPointerDown: (event: PointerEvent<HTMLElement>) => down(event, id), onPointerMove: move, onPointerUp: up, onPointerCancel: end,
  });
  return {drag, handlers};
}
