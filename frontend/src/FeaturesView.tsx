/** Which features of a dictionary are active on the text; the card of one, with examples from all tenths; silence or raise it. */
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { ActiveRow } from "./ActiveRow";
import { factorOf } from "./changed";
import { FeatureCard } from "./FeatureCard";
import type { DictionaryOf, FeatureFacts, Features, Measured } from "./messages";
import { MeasureAll } from "./MeasureAll";
import { Legend, Panel, python, quoted } from "./parts";
import { useCosts } from "./Progressing";
import { json, useAnswer } from "./server";
import { Strength } from "./Strength";
import { useStream } from "./stream";
import type { Seen } from "./views";

const UNMEASURED = "to be raised, features have to be measured over the corpus first";

export function FeaturesView({ at, set, answer, dictionary, choice, refresh }: Seen & { dictionary: DictionaryOf; choice: ComponentChildren }) {
  const of = `dictionary=${dictionary.number}`;
  const wanted = Number.parseInt(at.own.feature ?? "", 10);
  const { state, start, cancel } = useStream<Measured, Measured>((_, found) => found);
  const done = state.value !== null && !state.waiting;
  const plain = new URLSearchParams({ model: String(at.model), text: at.text, ...(wanted >= 0 ? { feature: String(wanted) } : {}) });
  const active = useAnswer(`features?${plain}&${of}${done ? "&" : ""}`, json<Features>);
  const found = active.value;
  const chosen = found?.features.find((one) => one.feature === wanted) ?? found?.features[0] ?? null;
  const name = chosen ? `D${dictionary.number}F${chosen.feature}` : "";
  const ready = found?.measured ?? false;
  const card = useAnswer(ready && chosen ? `features/card?${of}&feature=${chosen.feature}` : "", json<FeatureFacts>);
  const shownCard = ready ? card.value : null;
  const costs = useCosts(at.model);
  const choose = (feature: number | string): void => set({ own: { ...at.own, feature: String(feature) } });
  useEffect(() => cancel, []);
  useEffect(() => {
    if (done) refresh();
  }, [done]);
  return (
    <Panel
      title="Features"
      hint="Which features of a dictionary are active on your text, what they are active on elsewhere, and what they do"
      waiting={active.waiting || (ready && card.waiting)}
      error={active.error || state.error || card.error}
      command={chosen ? command(dictionary, at.text, chosen.feature, factorOf(at.off, name)) : `nanoscope dictionary show ${dictionary.path} CKPT`}
      library={library(dictionary, at.text, chosen?.feature ?? 0)}
      exports={
        found
          ? {
              name: `features-${dictionary.source}`,
              rows: () => [["feature", ...(answer.value?.pieces ?? [])], ...found.features.map((one) => [one.feature, ...one.values])],
              data: () => ({ dictionary, ...found, card: shownCard }),
            }
          : undefined
      }
    >
      <div class="controls">
        {choice}
        <label>
          feature
          <input class="component" aria-label="feature" inputMode="numeric" placeholder={`0 to ${dictionary.latents - 1}`} maxLength={9} value={at.own.feature ?? ""} onChange={(event) => choose(event.currentTarget.value.replace(/\D/g, ""))} />
        </label>
        <MeasureAll state={state} cancel={cancel} offered={found !== null && !ready} start={() => start(`features/measure?${of}`, null)} what="features" seconds={costs?.features} />
      </div>
      {found && (
        <div class="columns neurons">
          <div>
            <p class="hint">{ready ? "closest to their largest value over the corpus first" : "the largest value on your text first"}</p>
            <div class="neuron-list" role="listbox" aria-label="active features">
              {found.features.map((one) => (
                <ActiveRow key={one.feature} name={`F${one.feature}`} values={one.values} largest={one.largest} pieces={answer.value?.pieces ?? []} chosen={one.feature === chosen?.feature} choose={() => choose(one.feature)} />
              ))}
            </div>
            <Legend words="value" low="0" high={ready ? "its largest over the corpus" : "its largest here"} />
            {shownCard && <FeatureCard key={shownCard.name} card={shownCard} of={of} waiting={card.waiting} />}
            {!ready && <p class="fact">Examples from all tenths of its values, what the feature raises, and the concepts that it tells appear here once all features are measured.</p>}
          </div>
          <aside class="wide">{chosen && <Strength at={at} set={set} name={name} answer={answer} why={ready ? "" : UNMEASURED} />}</aside>
        </div>
      )}
    </Panel>
  );
}

function command(dictionary: DictionaryOf, text: string, feature: number, raised: number | null): string {
  const show = `nanoscope dictionary show ${dictionary.path} CKPT`;
  const steered = raised ? `\n${show} --text ${quoted(text)} --feature ${feature} --raised ${raised}` : "";
  return `${show} --feature ${feature}\n${show} --text ${quoted(text)}${steered}`;
}

function library(dictionary: DictionaryOf, text: string, feature: number): string {
  return `import nanoscope as ns
from nanoscope.checkpoints.checkpoint import load
from nanoscope.dictionaries import store
from nanoscope.views import feature_cards
from nanoscope.views.features import FeatureView
checkpoint, dictionary = load(CKPT), store.load(${python(dictionary.path)})
view = FeatureView.of(dictionary, checkpoint, ns.open_corpus())
view.card(${feature})
feature_cards.on_text(checkpoint, dictionary, ${python(text)}, 12, largest=view.whole.largest)`;
}
