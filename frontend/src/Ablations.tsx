/** Heads, MLPs, neurons and features taken away or scaled, in every view at once, and what that costs. */
import { useState } from "preact/hooks";
import { asItIs, component, factorOf, isFeature, withFactor } from "./changed";
import { HOWS, type How } from "./selection";
import type { Loadable, Text } from "./server";
import type { Viewed } from "./TextView";

const WORDS: Record<How, string> = {
  zero: "zero",
  mean: "its mean over this text",
  other: "its values on another text",
  corpus: "its mean over the corpus",
};

export function Ablations({ at, model, set, answer }: Viewed & { answer: Loadable<Text> }) {
  const turn = (name: string): void => set({ off: withFactor(at.off, name, factorOf(at.off, name) === 1 ? null : 1) });
  const found = answer.value;
  const now = found?.mean_loss ?? null;
  const before = found?.before?.mean_loss ?? now;
  const change = now !== null && before !== null ? now - before : 0;
  const pressed = new Set(at.off.map(component));
  return (
    <section class="panel ablations" aria-label="Ablate and see">
      <header>
        <h2>Ablate and see</h2>
      </header>
      <table>
        <tbody>
          {Array.from({ length: model.layers }, (_, l) => (
            <tr key={l}>
              <th>L{l}</th>
              {[...Array.from({ length: model.heads }, (_, h) => [`L${l}H${h}`, `H${h}`]), ...(model.mlp ? [[`L${l}.mlp`, "MLP"]] : [])].map(([name = "", short]) => (
                <td key={name}>
                  <button class="switch" aria-label={name} aria-pressed={pressed.has(name)} onClick={() => turn(name)}>
                    {short}
                  </button>
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      <div class="controls">
        <label>
          off is{" "}
          <select aria-label="off is" value={at.how} onChange={(event) => set({ how: HOWS.find((how) => how === event.currentTarget.value) ?? "zero" })}>
            {HOWS.map((how) => (
              <option key={how} value={how}>
                {WORDS[how]}
              </option>
            ))}
          </select>
        </label>
        <button disabled={at.off.length === 0} onClick={() => set({ off: [] })}>
          All on
        </button>
      </div>
      {at.how === "other" && <textarea class="other" rows={2} maxLength={4000} spellcheck={false} aria-label="other text" placeholder="the other text" value={at.other} onInput={(event) => set({ other: event.currentTarget.value })} />}
      <Changed at={at} model={model} set={set} />
      <dl>
        <dt>loss per token</dt>
        <dd data-value="loss">{now === null ? "–" : `${now.toFixed(3)} nats`}</dd>
        <dt>intact</dt>
        <dd>{before === null ? "–" : `${before.toFixed(3)} nats`}</dd>
        <dt>change</dt>
        <dd data-value="change">{`${change >= 0 ? "+" : "−"}${Math.abs(change).toFixed(3)} nats`}</dd>
      </dl>
    </section>
  );
}

/** Every changed component with its factor, and a field for one more, such as a neuron or a feature. */
function Changed({ at, model, set }: Viewed) {
  const [name, setName] = useState("");
  const add = (event: Event): void => {
    event.preventDefault();
    if (name.trim() === "") return;
    const given = name.trim();
    set({ off: withFactor(at.off, component(given), factorOf([given], component(given))) });
    setName("");
  };
  return (
    <div class="changed">
      {at.off.map((one) => {
        const of = component(one);
        const factor = factorOf(at.off, of);
        const feature = isFeature(of);
        return (
          <div key={of} class="change">
            <code>{of}</code>
            <label title={feature ? "silenced: its value is 0, whatever replaces components" : ""}>
              <input type="checkbox" checked={factor === null} onChange={(event) => set({ off: withFactor(at.off, of, event.currentTarget.checked ? null : 2) })} /> off
            </label>
            <label title={feature ? "raised at every position by so many times its largest value over the corpus" : ""}>
              {feature ? "+" : "×"}{" "}
              <input class="symbol" type="number" aria-label={`factor of ${of}`} step="0.5" min="-100" max="100" disabled={factor === null} value={factor ?? ""} onChange={(event) => set({ off: withFactor(at.off, of, Number(event.currentTarget.value)) })} />
            </label>
            <button aria-label={`${of} as it is`} onClick={() => set({ off: withFactor(at.off, of, asItIs(of)) })}>
              ✕
            </button>
          </div>
        );
      })}
      <form onSubmit={add}>
        <input class="component" aria-label="component to switch off" placeholder={model.mlp ? "L0H4, L1.attn, L2N17, D0F3" : "L0H4, L1.attn or D0F3"} maxLength={20} value={name} onInput={(event) => setName(event.currentTarget.value)} />
        <button>Switch off</button>
      </form>
    </div>
  );
}
