/** Heads and MLPs as switches that stay while one moves between the views, and what taking them away costs. */
import type { Loadable, Text } from "./server";
import type { Viewed } from "./TextView";

export function Ablations({ at, model, set, answer }: Viewed & { answer: Loadable<Text> }) {
  const turn = (name: string): void =>
    set({ off: at.off.includes(name) ? at.off.filter((one) => one !== name) : [...at.off, name] });
  const found = answer.value;
  const now = found?.mean_loss ?? null;
  const before = found?.before?.mean_loss ?? now;
  const change = now !== null && before !== null ? now - before : 0;
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
                  <button class="switch" aria-label={name} aria-pressed={at.off.includes(name)} onClick={() => turn(name)}>
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
          replaced by{" "}
          <select value={at.how} onChange={(event) => set({ how: event.currentTarget.value === "mean" ? "mean" : "zero" })}>
            <option value="zero">zero</option>
            <option value="mean">its mean over this text</option>
          </select>
        </label>
        <button disabled={at.off.length === 0} onClick={() => set({ off: [] })}>
          All on
        </button>
      </div>
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
