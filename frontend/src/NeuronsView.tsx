/** Which neurons are active on the text; the card of one, with examples by decile; raise or silence it and see. */
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { ActiveRow } from "./ActiveRow";
import type { Card, Measured, Neurons } from "./messages";
import { NeuronCard } from "./NeuronCard";
import { MeasureAll } from "./MeasureAll";
import { Legend, Panel, python } from "./parts";
import { useCosts } from "./Progressing";
import { json, type Loadable, type Text, useAnswer } from "./server";
import { Strength } from "./Strength";
import { useStream } from "./stream";
import type { Viewed } from "./TextView";

export function NeuronsView({ at, set, answer, choice }: Viewed & { answer: Loadable<Text>; choice: ComponentChildren }) {
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
  const shownCard = ready ? card.value : null;
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
        {choice}
        <label>
          neuron
          <input class="component" aria-label="neuron" placeholder="L2N17" maxLength={20} value={name} onChange={(event) => set({ own: { ...at.own, neuron: event.currentTarget.value.trim() } })} />
        </label>
        <MeasureAll state={state} cancel={cancel} offered={found !== null && !ready} start={() => start(`neurons/measure?${of}`, null)} what="neurons" seconds={costs?.neurons} />
      </div>
      {found && (
        <div class="columns neurons">
          <div>
            <p class="hint">{ready ? "closest to their largest activation over the corpus first" : "the largest activation on your text first"}</p>
            <div class="neuron-list" role="listbox" aria-label="active neurons">
              {found.neurons.map((one) => (
                <ActiveRow key={one.name} name={one.name} values={one.activations} largest={one.largest} pieces={answer.value?.pieces ?? []} chosen={one.name === chosen?.name} choose={() => set({ own: { ...at.own, neuron: one.name } })} />
              ))}
            </div>
            <Legend words="activation" low="0" high={ready ? "its largest over the corpus" : "its largest here"} />
            {shownCard && <NeuronCard card={shownCard} model={at.model} waiting={card.waiting} />}
            {!ready && <p class="fact">Examples from the corpus by decile, what the neuron raises, and its concepts appear here once all neurons are measured.</p>}
          </div>
          <aside class="wide">{chosen && <Strength at={at} set={set} name={chosen.name} answer={answer} />}</aside>
        </div>
      )}
    </Panel>
  );
}
