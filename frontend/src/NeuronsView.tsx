/** Which neurons are active on the text; the card of one, with examples by decile; raise or silence it and see. */
import { useEffect } from "preact/hooks";
import { factorOf, withFactor } from "./changed";
import { signed } from "./diverging";
import type { Card, Measured, Neurons, OnText } from "./messages";
import { NeuronCard } from "./NeuronCard";
import { Likely, Panel, python } from "./parts";
import { inWords, Progressing, useCosts } from "./Progressing";
import { json, type Loadable, type Text, useAnswer } from "./server";
import { onShade, shade, shown } from "./shades";
import { useStream } from "./stream";
import { position, type Viewed } from "./TextView";

const STRONGEST = 10;

export function NeuronsView({ at, set, answer }: Viewed & { answer: Loadable<Text> }) {
  const name = at.own.neuron ?? "";
  const of = `model=${at.model}`;
  const { state, start, cancel } = useStream<Measured, Measured>((_, found) => found);
  const plain = new URLSearchParams({ model: String(at.model), text: at.text, neuron: name });
  const measured = state.value !== null && !state.waiting;
  const active = useAnswer(`neurons?${plain}${measured ? "&" : ""}`, json<Neurons>);
  const found = active.value;
  const chosen = found?.neurons.find((one) => one.name === (name || found.neurons[0]?.name)) ?? null;
  const ready = found?.measured ?? false;
  const card = useAnswer(ready && chosen ? `neurons/card?${of}&neuron=${chosen.name}` : "", json<Card>);
  const costs = useCosts(at.model);
  useEffect(() => cancel, [at.model]);
  const shownCard = card.value && card.value.name === chosen?.name ? card.value : null;
  return (
    <Panel
      title="Neurons"
      hint="Which neurons are active on your text, what they are active on elsewhere, and what they do"
      waiting={active.waiting || (ready && card.waiting)}
      error={active.error || state.error || card.error}
      command={chosen ? `nanoscope neurons CKPT --layer ${chosen.layer} --neuron ${chosen.neuron}` : "nanoscope neurons CKPT"}
      library={`from nanoscope.checkpoints.checkpoint import load\nfrom nanoscope.views import neuron_cards\nfrom nanoscope.views.neurons import NeuronsOverText\nimport nanoscope as ns\ncheckpoint = load(CKPT)\nneuron_cards.on_text(checkpoint, ${python(at.text)}, 12)\nneuron_cards.card(NeuronsOverText.of(checkpoint, ns.open_corpus(), "the model"), (${chosen?.layer ?? 0}, ${chosen?.neuron ?? 0}))`}
      exports={
        found
          ? {
              name: "neurons",
              rows: () => [["neuron", ...(answer.value?.pieces ?? [])], ...found.neurons.map((one) => [one.name, ...one.activations])],
              data: () => ({ ...found, card: shownCard }),
            }
          : undefined
      }
    >
      <div class="controls">
        <label>
          neuron
          <input class="component" aria-label="neuron" placeholder="L2N17" maxLength={20} value={name} onChange={(event) => set({ own: { ...at.own, neuron: event.currentTarget.value.trim() } })} />
        </label>
        <span class="progress-room">
          {state.waiting ? (
            <Progressing progress={state.progress} cancel={cancel} />
          ) : (
            found && !ready && (
              <>
                <button class="primary" onClick={() => start(`neurons/measure?${of}`, null)}>
                  Measure all neurons
                </button>
                <span class="hint">over the corpus{costs?.neurons ? `, ${inWords(costs.neurons)} on this machine` : ""}; then each has its card</span>
              </>
            )
          )}
          {state.value && <span class="hint">measured on {state.value.characters.toLocaleString("en")} characters of {state.value.corpus}</span>}
        </span>
      </div>
      {found && (
        <div class="columns neurons">
          <div>
            <p class="hint">{ready ? "closest to their largest activation over the corpus first" : "the largest activation on your text first"}</p>
            <div class="neuron-list" role="listbox" aria-label="active neurons">
              {found.neurons.map((one) => (
                <Row key={one.name} one={one} pieces={answer.value?.pieces ?? []} chosen={one.name === chosen?.name} choose={() => set({ own: { ...at.own, neuron: one.name } })} />
              ))}
            </div>
            {shownCard && <NeuronCard card={shownCard} model={at.model} />}
            {!ready && <p class="fact">Examples from the corpus by decile, what the neuron raises, and its concepts appear here once all neurons are measured.</p>}
          </div>
          <aside class="wide">{chosen && <Strength at={at} set={set} one={chosen} answer={answer} />}</aside>
        </div>
      )}
    </Panel>
  );
}

function Row(props: { one: OnText; pieces: string[]; chosen: boolean; choose: () => void }) {
  const { one, pieces } = props;
  const most = one.largest ?? Math.max(1e-9, ...one.activations);
  const peak = Math.max(...one.activations);
  return (
    <button role="option" aria-selected={props.chosen} class="row" onClick={props.choose}>
      <code>{one.name}</code>
      <span class="strip">
        {one.activations.map((value, n) => (
          <span key={n} title={`${shown(pieces[n] ?? "")} ${value.toFixed(2)}`} style={{ background: shade(value / most), color: onShade(value / most) }}>
            {shown(pieces[n] ?? "")}
          </span>
        ))}
      </span>
      <span class="number">{one.largest === null ? peak.toFixed(2) : `${peak.toFixed(2)} of ${one.largest.toFixed(2)}`}</span>
    </button>
  );
}

/** The neuron as a slider: from silent over as it is to much more. */
function Strength({ at, set, one, answer }: Pick<Viewed, "at" | "set"> & { one: OnText; answer: Loadable<Text> }) {
  const found = answer.value;
  const factor = factorOf(at.off, one.name);
  const turn = (to: number | null): void => set({ off: withFactor(at.off, one.name, to) });
  const place = found ? position(at, found.pieces.length) : 0;
  const intact = found?.before ?? null;
  const before = intact ? new Map((intact.top[place] ?? []).map((symbol, n) => [symbol, intact.chance[place]?.[n] ?? 0])) : undefined;
  const change = found?.mean_loss != null && intact?.mean_loss != null ? found.mean_loss - intact.mean_loss : null;
  return (
    <div aria-busy={answer.waiting}>
      <h3>{one.name}</h3>
      <div class="controls">
        <button aria-pressed={factor === null || factor === 0} onClick={() => turn(0)}>
          Silence
        </button>
        <button aria-pressed={factor === 1} onClick={() => turn(1)}>
          As it is
        </button>
        <button aria-pressed={factor === 5} onClick={() => turn(5)}>
          Raise ×5
        </button>
      </div>
      <label class="slider">
        <span class="hint">factor</span>
        <input type="range" aria-label="factor" min={-STRONGEST} max={STRONGEST} step="0.5" value={factor ?? 0} onInput={(event) => turn(Number(event.currentTarget.value))} />
        <span class="number" data-value="factor">
          ×{factor ?? 0}
        </span>
      </label>
      {found && (
        <>
          <Likely title={`after ${shown(found.pieces[place] ?? "")} (position ${place})`} top={found.top[place] ?? []} chance={found.chance[place] ?? []} before={before} />
          <p class="fact">
            {change === null ? "marks show the probabilities with the neuron as it is, once it is changed" : <>loss per token changes by <b data-value="loss-change">{signed(change, 3)} nats</b></>}
          </p>
        </>
      )}
    </div>
  );
}
