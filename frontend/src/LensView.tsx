/** The prediction after each layer, along the text. */
import { useRef, useState } from "preact/hooks";
import { library, position, type Viewed } from "./TextView";
import { Legend, Likely, Panel, quoted, save } from "./parts";
import { asked } from "./selection";
import { json, type Lens, useAnswer } from "./server";
import { onShade, percent, shade, shown } from "./shades";

const WIDTH = 26;
const HEIGHT = 26;
const LEFT = 44;

export function LensView({ at, set }: Viewed) {
  const answer = useAnswer(`lens?${asked(at)}`, json<Lens>);
  const picture = useRef<SVGSVGElement>(null);
  const [hovered, setHovered] = useState<[number, number] | null>(null);
  const found = answer.value;
  const last = (found?.top.length ?? 1) - 1;
  const chosen: [number, number] = [Math.min(at.layer + 1, last), found ? position(at, found.pieces.length) : 0];
  const [row, place] = hovered && found && hovered[0] <= last && hovered[1] < found.pieces.length ? hovered : chosen;
  const label = (n: number): string => (n === 0 ? "emb." : `L${n - 1}`);
  const svg = (): void => save("lens.svg", "image/svg+xml", new XMLSerializer().serializeToString(picture.current as SVGSVGElement));
  const cells = found ? found.top.flatMap((places, l) => places.map((top, n) => ({ l, n, top: top[0] ?? "", p: found.chance[l]?.[n]?.[0] ?? 0 }))) : [];
  return (
    <Panel
      title="Lens"
      hint="What the model would predict if it stopped after each layer (logit lens)"
      waiting={answer.waiting}
      error={answer.error}
      command={`nanoscope lens CKPT --text ${quoted(at.text)}`}
      library={library(at, "live.lens(checkpoint, textEDITS)")}
      exports={
        found
          ? {
              name: "lens",
              rows: () => [["layer", "position", "token", "top", "chance", "kl"], ...cells.map((c) => [label(c.l), c.n, found.pieces[c.n], c.top, c.p, found.kl[c.l]?.[c.n]])],
              data: () => found,
              picture: svg,
              kind: "SVG",
            }
          : undefined
      }
    >
      {found && (
        <>
          <div class="scroll">
            <svg ref={picture} xmlns="http://www.w3.org/2000/svg" class="grid" role="grid" aria-label="lens" width={LEFT + WIDTH * found.pieces.length} height={HEIGHT * (last + 2)} font-family="ui-monospace, monospace" font-size="12" onMouseLeave={() => setHovered(null)}>
              {found.pieces.map((piece, n) => (
                <text key={n} x={LEFT + WIDTH * (n + 0.5)} y={HEIGHT * (last + 1.65)} text-anchor="middle" fill="currentColor" font-weight={n === place ? "700" : "400"}>
                  {shown(piece)}
                </text>
              ))}
              {found.top.map((_, l) => (
                <text key={l} x={LEFT - 8} y={HEIGHT * (last - l + 0.65)} text-anchor="end" fill="currentColor" opacity="0.65">
                  {label(l)}
                </text>
              ))}
              {cells.map((c) => (
                <g key={`${c.l} ${c.n}`} role="gridcell" aria-label={`${label(c.l)} position ${c.n}: ${shown(c.top)} ${percent(c.p)}`} onMouseEnter={() => setHovered([c.l, c.n])} onClick={() => set({ layer: Math.max(0, c.l - 1), position: c.n })}>
                  <rect x={LEFT + WIDTH * c.n} y={HEIGHT * (last - c.l)} width={WIDTH - 1} height={HEIGHT - 1} rx="2" fill={shade(c.p)} />
                  <text x={LEFT + WIDTH * (c.n + 0.48)} y={HEIGHT * (last - c.l + 0.65)} text-anchor="middle" fill={onShade(c.p)}>
                    {shown(c.top)}
                  </text>
                </g>
              ))}
              <rect x={LEFT + WIDTH * place - 1} y={HEIGHT * (last - row) - 1} width={WIDTH + 1} height={HEIGHT + 1} rx="3" fill="none" stroke="#d9730d" stroke-width="2" pointer-events="none" />
            </svg>
          </div>
          <Legend words="probability of the likeliest" low="0" high="1" />
          <div class="columns">
            <Likely title={`${label(row)}, after ${shown(found.pieces[place] ?? "")} (position ${place})`} top={found.top[row]?.[place] ?? []} chance={found.chance[row]?.[place] ?? []} />
            <p class="fact">
              KL to the model's own prediction <b>{(found.kl[row]?.[place] ?? 0).toFixed(3)} nats</b>
            </p>
          </div>
        </>
      )}
    </Panel>
  );
}
