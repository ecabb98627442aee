/** Calls to the server, and the state of an answer that a panel waits for. */
import { useEffect, useRef, useState } from "preact/hooks";
import { EXPORTED, fromExport } from "./exported";

export interface Model {
  name: string;
  path: string;
  layers: number;
  heads: number;
  width: number;
  context: number;
  parameters: number;
  mlp: boolean;
  notes: string[];
}

export interface Reading<Top, Chance, Kl> {
  note: string;
  pieces: string[];
  loss: (number | null)[];
  mean_loss: number | null;
  top: Top;
  chance: Chance;
  kl: Kl;
}
export type Predicted = Reading<string[][], number[][], number[]>;
export type Text = Predicted & { before: Predicted | null };
/** `settled`: the reading from which on KL to the output stays below 0.1 nats; one more than there are if none is. */
export type Lens = Reading<string[][][], number[][][], number[][]> & { settled: number[] };
export interface Patterns {
  shape: number[];
  values: Uint8Array;
}

/** The last answer stays while the next is awaited, so that nothing jumps. */
export interface Loadable<T> {
  value: T | null;
  error: string;
  waiting: boolean;
}

export async function call(address: string, signal: AbortSignal, method = "GET"): Promise<Response> {
  if (EXPORTED) return fromExport(address);
  const answer = await fetch(`api/${address}`, { signal, method });
  if (answer.ok) return answer;
  const said: unknown = await answer.json().catch(() => null);
  const line = said !== null && typeof said === "object" && "error" in said ? String(said.error) : answer.statusText;
  throw new Error(line);
}

export const json = <T,>(answer: Response): Promise<T> => answer.json() as Promise<T>;

export async function patterns(answer: Response): Promise<Patterns> {
  const shape = (answer.headers.get("X-Shape") ?? "").split(",").map(Number);
  return { shape, values: new Uint8Array(await answer.arrayBuffer()) };
}

/** The answer of an address, asked again when it changes; an empty address asks nothing. */
export function useAnswer<T>(address: string, read: (answer: Response) => Promise<T>): Loadable<T> {
  const [state, setState] = useState<Loadable<T>>({ value: null, error: "", waiting: address !== "" });
  const first = useRef(true);
  useEffect(() => {
    if (address === "") {
      setState((last) => (last.waiting ? { ...last, waiting: false } : last));
      return undefined;
    }
    const asking = new AbortController();
    setState((last) => ({ ...last, waiting: true }));
    const ask = (): void => {
      call(address, asking.signal)
        .then(read)
        .then((value) => setState({ value, error: "", waiting: false }))
        .catch((error: Error) => {
          if (!asking.signal.aborted) setState((last) => ({ ...last, error: error.message, waiting: false }));
        });
    };
    const later = setTimeout(ask, first.current ? 0 : 40);
    first.current = false;
    return () => {
      clearTimeout(later);
      asking.abort();
    };
  }, [address]);
  return state;
}
