/** Questions with a body: answered at once (`usePosted`), or line by line while the server measures (`useStream`). */
import { useEffect, useRef, useState } from "preact/hooks";
import { type Loadable, json } from "./server";

export interface Progress {
  part: string;
  done: number;
  of: number;
  seconds: number;
}

export interface Streamed<T> extends Loadable<T> {
  progress: Progress | null;
}

type Line<M> = { progress?: [string, number, number]; value?: M; error?: string; end?: boolean };
const TRIES = 5;
const pause = (ms: number): Promise<void> => new Promise((go) => setTimeout(go, ms));

/** Where the server is busy with other measurements it is asked again after the time that it names. */
async function post(address: string, body: unknown, signal: AbortSignal): Promise<Response> {
  for (let tries = 1; ; tries += 1) {
    const given = body === null ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
    const answer = await fetch(`api/${address}`, { method: "POST", signal, ...given });
    if (answer.ok) return answer;
    if (answer.status !== 429 || tries === TRIES) {
      const said = (await answer.json().catch(() => null)) as { error?: string } | null;
      throw new Error(said?.error ?? answer.statusText);
    }
    await pause(1000 * Number(answer.headers.get("Retry-After") ?? 1));
    signal.throwIfAborted();
  }
}

async function* lines<M>(answer: Response): AsyncGenerator<Line<M>> {
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
    const whole = (rest + part.value).split("\n");
    rest = whole.pop() ?? "";
    for (const line of whole) yield JSON.parse(line) as Line<M>;
  }
}

/** A measurement: it begins at `start`, and ends early at `cancel`, at another start, or where its panel closes. */
export function useStream<M, T>(fold: (before: T | null, message: M) => T) {
  const nothing: Streamed<T> = { value: null, error: "", waiting: false, progress: null };
  const [state, setState] = useState<Streamed<T>>(nothing);
  const running = useRef<AbortController | null>(null);
  useEffect(() => () => running.current?.abort(), []);
  const cancel = (): void => {
    running.current?.abort();
    setState((last) => ({ ...last, waiting: false, progress: null }));
  };
  const start = async (address: string, body: unknown): Promise<void> => {
    running.current?.abort();
    const mine = new AbortController();
    running.current = mine;
    const began = performance.now();
    setState({ ...nothing, waiting: true });
    try {
      let ended = false;
      for await (const line of lines<M>(await post(address, body, mine.signal))) {
        if (mine.signal.aborted) return;
        if (line.error !== undefined) throw new Error(line.error);
        const { progress, value } = line;
        if (progress) {
          const [part, done, of] = progress;
          setState((last) => ({ ...last, progress: { part, done, of, seconds: (performance.now() - began) / 1000 } }));
        }
        if (value !== undefined) setState((last) => ({ ...last, value: fold(last.value, value) }));
        ended ||= line.end === true;
      }
      if (!ended) throw new Error("the server ended the measurement early; start it again");
      setState((last) => ({ ...last, waiting: false, progress: null }));
    } catch (problem) {
      if (!mine.signal.aborted) setState((last) => ({ ...last, waiting: false, progress: null, error: (problem as Error).message }));
    }
  };
  return { state, start: (address: string, body: unknown): void => void start(address, body), cancel };
}

/** The answer to a body, asked again when that changes; the last one stays meanwhile. Null asks nothing. */
export function usePosted<T>(address: string, body: unknown): Loadable<T> {
  const [state, setState] = useState<Loadable<T>>({ value: null, error: "", waiting: false });
  const asked = body === null ? "" : JSON.stringify(body);
  useEffect(() => {
    if (asked === "") return setState({ value: null, error: "", waiting: false });
    const asking = new AbortController();
    setState((last) => ({ ...last, waiting: true }));
    post(address, JSON.parse(asked), asking.signal)
      .then(json<T>)
      .then((value) => setState({ value, error: "", waiting: false }))
      .catch((error: Error) => {
        if (!asking.signal.aborted) setState((last) => ({ ...last, error: error.message, waiting: false }));
      });
    return () => asking.abort();
  }, [address, asked]);
  return state;
}
