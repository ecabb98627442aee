/** Measuring all neurons or features over the corpus at a click: how long it takes, how far it is, and on what it was done. */
import type { Measured } from "./messages";
import { inWords, Progressing } from "./Progressing";
import type { Streamed } from "./stream";

interface Props {
  state: Streamed<Measured>;
  cancel: () => void;
  start: () => void;
  /** Whether there is something to measure that is not measured yet. */
  offered: boolean;
  what: string;
  seconds?: number | null;
}

export function MeasureAll({ state, cancel, start, offered, what, seconds }: Props) {
  return (
    <span class="progress-room">
      {state.waiting ? (
        <Progressing progress={state.progress} cancel={cancel} />
      ) : (
        offered && (
          <>
            <button class="primary" onClick={start}>
              Measure all {what}
            </button>
            <span class="hint">over the corpus{seconds ? `, ${inWords(seconds)} on this machine` : ""}; then each has its card</span>
          </>
        )
      )}
      {state.value && <span class="hint">measured on {state.value.characters.toLocaleString("en")} characters of {state.value.corpus}</span>}
    </span>
  );
}
