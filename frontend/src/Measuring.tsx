/** Measuring at a click: how long it takes, how far it is, and a way out. Leaving the view cancels it too. */
import { useEffect, useRef, useState } from "preact/hooks";
import { call } from "./server";

interface Line {
  part?: string;
  done?: number;
  of?: number;
  ended?: boolean;
  error?: string;
}

const inWords = (seconds: number): string => (seconds < 90 ? `about ${Math.max(5, Math.round(seconds / 5) * 5)} s` : `about ${Math.round(seconds / 60)} min`);

export function Measuring(props: { model: number; seconds: number; lacking: boolean; done: () => void }) {
  const [line, setLine] = useState<Line | null>(null);
  const [error, setError] = useState("");
  const running = useRef<AbortController | null>(null);
  const cancel = (): void => {
    running.current?.abort();
    setLine(null);
  };
  useEffect(() => () => running.current?.abort(), []);
  const start = async (): Promise<void> => {
    const mine = new AbortController();
    running.current = mine;
    setError("");
    setLine({ part: "starting", done: 0, of: 1 });
    try {
      const answer = await call(`heads/measure?model=${props.model}`, mine.signal, "POST");
      await read(answer, (said) => {
        if (said.error) throw new Error(said.error);
        if (said.ended) props.done();
        if (said.part !== undefined) setLine(said);
      });
    } catch (problem) {
      if (!mine.signal.aborted) setError((problem as Error).message);
    }
    setLine(null);
  };
  return (
    <div class="measuring" role="status">
      {line === null ? (
        <>
          <span>{props.lacking ? "The stored results have no effect of single heads." : "Nothing is stored of this checkpoint's heads."}</span>
          <button class="primary" onClick={() => void start()}>
            Measure ({inWords(props.seconds)})
          </button>
        </>
      ) : (
        <>
          <progress value={line.done} max={line.of} aria-label="measuring" />
          <span>{line.part || "storing"} …</span>
          <button onClick={cancel}>Cancel</button>
          <span class="hint">finished parts are kept</span>
        </>
      )}
      {error !== "" && (
        <p class="error" role="alert">
          {error}
        </p>
      )}
    </div>
  );
}

async function read(answer: Response, each: (line: Line) => void): Promise<void> {
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
    const lines = (rest + part.value).split("\n");
    rest = lines.pop() ?? "";
    for (const one of lines) each(JSON.parse(one) as Line);
  }
}
