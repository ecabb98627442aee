/** The width that is left in the window beside what stands there, also after the window has changed. */
import { useEffect, useState } from "preact/hooks";
import { NOTEBOOK } from "./exported";

const WIDEST = 1880;
const LEAST = 380;
/** What a notebook's frame takes. */
const FRAME = 60;

export function useRoom(beside: number): number {
  const left = (): number => Math.max(LEAST, Math.min(innerWidth, WIDEST) - (NOTEBOOK ? FRAME : beside));
  const [room, setRoom] = useState(left);
  useEffect(() => {
    const changed = (): void => setRoom(left());
    addEventListener("resize", changed);
    return () => removeEventListener("resize", changed);
  }, []);
  return room;
}
