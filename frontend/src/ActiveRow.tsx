/** A neuron or a feature on the text: a row of the characters, shaded by its values. */
import { onShade, shade, shown } from "./shades";

export function ActiveRow(props: { name: string; values: number[]; largest: number | null; pieces: string[]; chosen: boolean; choose: () => void }) {
  const { values, largest, pieces } = props;
  const peak = Math.max(...values);
  const most = largest ?? Math.max(1e-9, peak);
  return (
    <button role="option" aria-selected={props.chosen} class="row" onClick={props.choose}>
      <code>{props.name}</code>
      <span class="strip">
        {values.map((value, n) => (
          <span key={n} title={`${shown(pieces[n] ?? "")} ${value.toFixed(2)}`} style={{ background: shade(value / most), color: onShade(value / most) }}>
            {shown(pieces[n] ?? "")}
          </span>
        ))}
      </span>
      <span class="number">{largest === null ? peak.toFixed(2) : `${peak.toFixed(2)} of ${largest.toFixed(2)}`}</span>
    </button>
  );
}
