/** The text written on as the model is and with what is changed, by the same random numbers. */
import { useEffect, useRef, useState } from "preact/hooks";
import { asked, type Selection } from "./selection";
import { call } from "./server";

const LENGTH = 160;
const HOW = `length=${LENGTH}&temperature=0.8&seed=1`;

export function WrittenTwice({ at }: { at: Selection }) {
  const [texts, setTexts] = useState<[string, string] | null>(null);
  const [error, setError] = useState("");
  const writing = useRef<AbortController | null>(null);
  const stop = (): void => writing.current?.abort();
  useEffect(() => {
    stop();
    setTexts(null);
    setError("");
  }, [asked(at)]);
  useEffect(() => stop, []);
  const write = async (): Promise<void> => {
    stop();
    const mine = new AbortController();
    writing.current = mine;
    setError("");
    setTexts(["", ""]);
    const one = async (selection: Selection, n: 0 | 1): Promise<void> => {
      const answer = await call(`sample?${asked(selection)}&${HOW}`, mine.signal);
      const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
      for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
        const more = part.value;
        setTexts((last) => (last ? (n === 0 ? [last[0] + more, last[1]] : [last[0], last[1] + more]) : last));
      }
    };
    try {
      await Promise.all([one({ ...at, off: [] }, 0), ...(at.off.length ? [one(at, 1)] : [])]);
    } catch (problem) {
      if (!mine.signal.aborted) setError((problem as Error).message);
    }
  };
  return (
    <div class="twice">
      <button onClick={() => void write()}>{at.off.length ? "Write on, as it is and changed" : "Write on"}</button>
      {error !== "" && (
        <p class="error" role="alert">
          {error}
        </p>
      )}
      {texts && (
        <>
          <p class="hint">as it is</p>
          <pre class="sample" data-value="as it is">
            {texts[0]}
          </pre>
          {at.off.length > 0 && (
            <>
              <p class="hint">{at.off.join(", ")}</p>
              <pre class="sample" data-value="changed">
                {texts[1]}
              </pre>
            </>
          )}
        </>
      )}
    </div>
  );
}
