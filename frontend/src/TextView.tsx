/** Every character with its loss; what would follow the chosen one; and text that the model writes on. */
import { useRef, useState } from "preact/hooks";
import { cellsSvg } from "./cells";
import { isFeature } from "./changed";
import { Legend, Likely, Panel, python, quoted } from "./parts";
import type { Selection } from "./selection";
import { asked } from "./selection";
import { call, type Loadable, type Model, type Predicted, type Text } from "./server";
import { onShade, shade, shown } from "./shades";

const MOST = 6;
const ACROSS = 32;
const worded = (share: number, piece: string): { fill: string; ink: string; words: string } => ({ fill: shade(share), ink: onShade(share), words: shown(piece) });

export interface Viewed {
  at: Selection;
  model: Model;
  set: (some: Partial<Selection>) => void;
}

const DICTIONARIES = `from nanoscope.dictionaries import store
from nanoscope.views.features import FeatureView
dictionaries = [FeatureView.of(store.load(folder), checkpoint, ns.open_corpus()).changeable for folder in DIRS]`;

export function library(at: Selection, call: string): string {
  const features = at.off.some(isFeature);
  const ours = at.how === "corpus" || features ? "import nanoscope as ns\n" : "";
  const load = `${ours}from nanoscope.checkpoints.checkpoint import load\nfrom nanoscope.views import ablate, live\n`;
  const opened = features ? `\n${DICTIONARIES}` : "";
  const other = at.how === "other" ? `, ${python(at.other)}` : "";
  const means = at.how === "corpus" ? ", means=ablate.corpus_means(checkpoint, ns.open_corpus())" : "";
  const dictionaries = features ? ", dictionaries=dictionaries" : "";
  const edits = at.off.length ? `\nedits = ablate.changes(checkpoint, text, ${JSON.stringify(at.off)}, "${at.how}"${other}${means}${dictionaries})` : "";
  return `${load}checkpoint, text = load(CKPT), ${python(at.text)}${opened}${edits}\n${call.replace("EDITS", at.off.length ? ", edits" : "")}`;
}

export const position = (at: Selection, pieces: number): number =>
  at.position < 0 || at.position >= pieces ? pieces - 1 : at.position;

/** The text, one button a character, coloured by a share. */
export function Characters(props: {
  pieces: string[];
  chosen: number;
  share: (at: number) => number;
  title: (at: number) => string;
  choose: (at: number) => void;
  hover?: (at: number) => void;
}) {
  const keys = (event: KeyboardEvent): void => {
    const by = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    const to = props.chosen + by;
    if (by === 0 || to < 0 || to >= props.pieces.length) return;
    event.preventDefault();
    props.choose(to);
    const here = event.currentTarget as HTMLElement;
    (here.querySelectorAll("button")[to] as HTMLButtonElement | undefined)?.focus();
  };
  return (
    <div class="characters" role="group" aria-label="characters" onKeyDown={keys}>
      {props.pieces.map((piece, n) => (
        <button
          key={n}
          class={n === props.chosen ? "chosen" : ""}
          tabIndex={n === props.chosen ? 0 : -1}
          aria-pressed={n === props.chosen}
          aria-label={`position ${n}: ${shown(piece)}`}
          title={props.title(n)}
          style={{ background: shade(props.share(n)), color: onShade(props.share(n)) }}
          onClick={() => props.choose(n)}
          onMouseEnter={() => props.hover?.(n)}
        >
          {shown(piece)}
        </button>
      ))}
    </div>
  );
}

export function TextView({ at, set, answer }: Viewed & { answer: Loadable<Text> }) {
  const found = answer.value;
  const chosen = found ? position(at, found.pieces.length) : 0;
  const chances = (read: Predicted | null): Map<string, number> | undefined =>
    read ? new Map((read.top[chosen] ?? []).map((symbol, n) => [symbol, read.chance[chosen]?.[n] ?? 0])) : undefined;
  const loss = (n: number): string => (found?.loss[n] == null ? "not predicted" : `${found.loss[n]?.toFixed(2)} nats`);
  return (
    <Panel
      title="Text"
      hint="How surprising each character was, and what would follow the chosen one"
      waiting={answer.waiting}
      error={answer.error}
      command={`nanoscope lens CKPT --text ${quoted(at.text)}`}
      library={library(at, "live.predictions(checkpoint, textEDITS)")}
      exports={
        found
          ? {
              name: "text",
              rows: () => [["position", "token", "loss", "expected", "chance"], ...found.pieces.map((piece, n) => [n, piece, found.loss[n], found.top[n]?.[0], found.chance[n]?.[0]])],
              data: () => found,
              drawing: () => cellsSvg(found.pieces.map((piece, n) => ({ column: n % ACROSS, row: Math.floor(n / ACROSS), ...worded((found.loss[n] ?? 0) / MOST, piece) })), 23, 29),
            }
          : undefined
      }
    >
      {found && (
        <>
          <div class="columns">
            <div>
              <Characters pieces={found.pieces} chosen={chosen} share={(n) => (found.loss[n] ?? 0) / MOST} title={loss} choose={(n) => set({ position: n })} />
              <Legend words="loss, nats" low="0" high={`${MOST}+`} />
            </div>
            <aside>
              <Likely title={`after ${shown(found.pieces[chosen] ?? "")} (position ${chosen})`} top={found.top[chosen] ?? []} chance={found.chance[chosen] ?? []} before={chances(found.before)} mark="with nothing off" />
              <p class="fact">
                its own loss <b>{loss(chosen)}</b>
              </p>
            </aside>
          </div>
          <Written at={at} set={set} />
        </>
      )}
    </Panel>
  );
}

function Written({ at, set }: { at: Selection; set: (some: Partial<Selection>) => void }) {
  const [text, setText] = useState("");
  const [temperature, setTemperature] = useState(0.8);
  const [error, setError] = useState("");
  const writing = useRef<AbortController | null>(null);
  const stop = (): void => writing.current?.abort();
  const write = async (): Promise<void> => {
    stop();
    const mine = new AbortController();
    writing.current = mine;
    setText("");
    setError("");
    try {
      const seed = Math.floor(Math.random() * 1e6);
      const answer = await call(`sample?${asked(at)}&length=200&temperature=${temperature}&seed=${seed}`, mine.signal);
      const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
      for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
        const more = part.value;
        setText((before) => before + more);
      }
    } catch (problem) {
      if (!mine.signal.aborted) setError((problem as Error).message);
    }
  };
  return (
    <div class="written">
      <div class="controls">
        <button class="primary" onClick={() => void write()}>
          Write on
        </button>
        <button onClick={stop}>Stop</button>
        <label>
          temperature
          <input type="range" min="0" max="2" step="0.1" value={temperature} onInput={(event) => setTemperature(Number(event.currentTarget.value))} />
          <span class="number">{temperature.toFixed(1)}</span>
        </label>
        {text !== "" && <button onClick={() => set({ text: at.text + text, position: -1 })}>Keep as text</button>}
      </div>
      {error !== "" && <p class="error">{error}</p>}
      <pre class="sample" aria-live="polite" aria-label="written text">
        <span class="given">{at.text.slice(-80)}</span>
        {text}
      </pre>
    </div>
  );
}
