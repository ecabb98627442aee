/** Neurons, or the features of a dictionary that was opened with the model. */
import { FeaturesView } from "./FeaturesView";
import type { DictionaryOf } from "./messages";
import { NeuronsView } from "./NeuronsView";
import { json, useAnswer } from "./server";
import type { Seen } from "./views";

export const inFull = (one: DictionaryOf): string => `features of ${one.source}: ${one.latents.toLocaleString("en")} (D${one.number}, ${one.kind}, ${one.k} active)`;

export function NeuronsAndFeatures(seen: Seen) {
  const { at, set, model } = seen;
  const opened = useAnswer(`dictionaries?model=${at.model}`, json<DictionaryOf[]>);
  const dictionaries = opened.value ?? [];
  const asked = at.own.dictionary ?? (model.mlp ? "" : String(dictionaries[0]?.number ?? ""));
  const chosen = dictionaries.find((one) => String(one.number) === asked);
  const choice = (
    <label title={dictionaries.length ? "" : "nanoscope open CKPT --dictionary DIR shows features"}>
      of
      <select aria-label="neurons or features" value={chosen ? asked : ""} onChange={(event) => set({ own: { ...at.own, dictionary: event.currentTarget.value } })}>
        <option value="">neurons</option>
        {dictionaries.map((one) => (
          <option key={one.number} value={String(one.number)}>
            {inFull(one)}
          </option>
        ))}
        {dictionaries.length === 0 && <option disabled>features: open with --dictionary DIR</option>}
      </select>
    </label>
  );
  return chosen ? <FeaturesView key={chosen.number} {...seen} dictionary={chosen} choice={choice} /> : <NeuronsView {...seen} choice={choice} />;
}
