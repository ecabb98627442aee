/** The prediction after each layer, along the text. */
import { useEffect, useRef, useState } from "preact/hooks";
import { library, position, type Viewed } from "./TextView";
import { EXPORTED } from "./exported";
import { arrow } from "./keys";
import { Legend, Likely, Panel, quoted } from "./parts";
import { RowNames, StayingNames } from "./RowNames";
import { useRoom } from "./room";
import { asked } from "./selection";
import { TunedLensChoice, useTunedLens } from "./TunedLensChoice";
import { json, type Lens, useAnswer } from "./server";
import { onShade, percent, shade, shown } from "./shades";

const [NARROW, WIDE] = [16, 26];
const HEIGHT = 26;
const LEFT = 44;
/** What the side panel and the frames take. */
const BESIDE = 500;

/** The width of a cell: a text that fits is seen as a whole, a longer one is scrolled. */
export const widthOf = (room: number, pieces: number): number => Math.max(NARROW, Math.min(WIDE, Math.floor((room - LEFT) / Math.max(1, pieces))));

/** The name of what is read before and after each layer. */
export const label = (n: number): string => (n === 0 ? "emb." : `L${n - 1}`);

/** The rows' names, the last layer at the top. */
export const layersOf = (count: number, height: number): [string, number][] => Array.from({ length: count }, (_, l) => [label(l), height * (count - l - 0.5)]);

export function LensView({ at, set }: Viewed) {
  const kind = at.own.lens === "tuned" ? "tuned" : "logit";
  const tuned = useTunedLens(at.model);
  const ready = kind === "logit" || tuned.fit !== null;
  const answer = useAnswer(ready ? `lens?${asked(at)}&lens=${kind}` : "", json<Lens>);
  const picture = useRef<SVGSVGElement>(null);
  const [hovered, setHovered] = useState<[number, number] | null>(null);
  const found = answer.value;
  const WIDTH = widthOf(useRoom(BESIDE), found?.pieces.length ?? 1);
  const last = (found?.top.length ?? 1) - 1;
  const chosen: [number, number] = [Math.min(at.layer + 1, last), found ? position(at, found.pieces.length) : 0];
  const [row, place] = hovered && found && hovered[0] <= last && hovered[1] < found.pieces.length ? hovered : chosen;
  const count = found?.pieces.length ?? 1;
  const choose = (cell: number): void => set({ layer: Math.max(0, last - Math.floor(cell / count) - 1), position: cell % count });
  const keys = (event: KeyboardEvent): void => arrow(event, (last - chosen[0]) * count + chosen[1], count, count * last, choose);
  // The chosen place is kept in sight of a text that is scrolled.
  useEffect(() => {
    const box = picture.current?.parentElement;
    const at = LEFT + WIDTH * chosen[1];
    if (box && (at < box.scrollLeft + LEFT || at + WIDTH > box.scrollLeft + box.clientWidth)) box.scrollLeft = at - box.clientWidth / 2;
  }, [chosen[1], WIDTH, found === null]);
  const layers = layersOf(found?.top.length ?? 0, HEIGHT);
  const cells = found ? found.top.flatMap((places, l) => places.map((top, n) => ({ l, n, top: top[0] ?? "", p: found.chance[l]?.[n]?.[0] ?? 0 }))) : [];
  return (
    <Panel
      title="Lens"
      hint={`What the model would predict if it stopped after each layer (${kind} lens)`}
      waiting={ready && answer.waiting}
      error={answer.error || tuned.error}
      command={`nanoscope lens CKPT --text ${quoted(at.text)}${kind === "tuned" ? " --lens tuned" : ""}`}
      library={kind === "logit" ? library(at, "live.lens(checkpoint, textEDITS)") : library(at, "import nanoscope as ns\nfrom nanoscope.views.lens import fitted\nby = fitted(checkpoint, ns.open_corpus()).translation.lens(checkpoint.model)\nlive.lens(checkpoint, textEDITS, by=by)")}
      exports={
        found
          ? {
              name: `${kind}-lens`,
              rows: () => [["layer", "position", "token", "top", "chance", "kl"], ...cells.map((c) => [label(c.l), c.n, found.pieces[c.n], c.top, c.p, found.kl[c.l]?.[c.n]])],
              data: () => found,
              chart: () => picture.current,
            }
          : undefined
      }
    >
      {!EXPORTED && <TunedLensChoice model={at.model} kind={kind} tuned={tuned} choose={(lens) => set({ own: { ...at.own, lens: lens === "logit" ? "" : lens } })} />}
      {found && ready && (
        <>
          <div class="scroll">
            <StayingNames rows={layers} left={LEFT} height={HEIGHT * (last + 2)} size={12} />
            <svg ref={picture} xmlns="http://www.w3.org/2000/svg" class="grid" role="grid" aria-label="lens" width={LEFT + WIDTH * found.pieces.length} height={HEIGHT * (last + 2)} font-family="ui-monospace, monospace" font-size="12" fill="currentColor" tabindex={0} onKeyDown={keys} onMouseLeave={() => setHovered(null)}>
              {found.pieces.map((piece, n) => (
                <text key={n} x={LEFT + WIDTH * (n + 0.5)} y={HEIGHT * (last + 1.65)} text-anchor="middle" font-weight={n === place ? "700" : "400"}>
                  {shown(piece)}
                </text>
              ))}
              <RowNames rows={layers} left={LEFT} />
              {cells.map((c) => (
                <g key={`${c.l} ${c.n}`} role="gridcell" aria-label={`${label(c.l)} position ${c.n}: ${shown(c.top)} ${percent(c.p)}`} onMouseEnter={() => setHovered([c.l, c.n])} onClick={() => set({ layer: Math.max(0, c.l - 1), position: c.n })}>
                  <rect x={LEFT + WIDTH * c.n} y={HEIGHT * (last - c.l)} width={WIDTH - 1} height={HEIGHT - 1} rx="2" fill={shade(c.p)} />
                  <text x={LEFT + WIDTH * (c.n + 0.48)} y={HEIGHT * (last - c.l + 0.65)} text-anchor="middle" fill={onShade(c.p)}>
                    {shown(c.top)}
                  </text>
                </g>
              ))}
              {found.settled.map((l, n) =>
                l <= last ? <path key={n} d={`M${LEFT + WIDTH * n + 1} ${HEIGHT * (last - l + 1) - 2}h${WIDTH - 3}`} stroke="#d9730d" stroke-width="2" pointer-events="none" /> : null,
              )}
              <rect x={LEFT + WIDTH * place - 1} y={HEIGHT * (last - row) - 1} width={WIDTH + 1} height={HEIGHT + 1} rx="3" fill="none" stroke="#d9730d" stroke-width="2" pointer-events="none" />
            </svg>
          </div>
          <Legend words="probability of the likeliest" low="0" high="1" />
          <div class="columns">
            <Likely title={`${label(row)}, after ${shown(found.pieces[place] ?? "")} (position ${place})`} top={found.top[row]?.[place] ?? []} chance={found.chance[row]?.[place] ?? []} />
            <p class="fact">
              KL to the model's own prediction <b>{(found.kl[row]?.[place] ?? 0).toFixed(3)} nats</b>; the prediction has settled{" "}
              <b data-value="settled">{(found.settled[place] ?? 0) <= last ? `from ${label(found.settled[place] ?? 0)} on` : "nowhere"}</b> (KL stays below 0.1 nats; underlined)
            </p>
          </div>
        </>
      )}
    </Panel>
  );
}
