/** How far a measurement is, how long it will still take, and a way to end it. */
import type { Costs } from "./messages";
import { json, useAnswer } from "./server";
import type { Progress } from "./stream";

/** About how long, in words. */
export const inWords = (seconds: number): string =>
  seconds < 90 ? `about ${seconds < 10 ? Math.max(1, Math.round(seconds)) : 5 * Math.round(seconds / 5)} s` : `about ${Math.round(seconds / 60)} min`;

/** What the server expects of a measurement, before it begins. */
export function useCosts(model: number): Costs | null {
  return useAnswer(`costs?model=${model}`, json<Costs>).value;
}

const left = ({ done, of, seconds }: Progress): string => {
  if (done <= 0 || seconds < 1) return "";
  const more = (seconds * (of - done)) / done;
  return `${inWords(more)} left`;
};

export function Progressing(props: { progress: Progress | null; cancel: () => void }) {
  const at = props.progress;
  return (
    <div class="progressing" role="status">
      {at && at.done > 0 ? <progress value={at.done} max={at.of} aria-label="progress" /> : <progress aria-label="progress" />}
      <span class="hint">{at ? `${at.part} ${left(at)}` : "waiting for the server"}</span>
      <button onClick={props.cancel}>Cancel</button>
    </div>
  );
}
