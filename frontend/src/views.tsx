/** The views, in the order of their tabs. A view is one entry here and one file. */
import type { JSX } from "preact";
import { AttentionView } from "./AttentionView";
import { CircuitView } from "./CircuitView";
import { LensView } from "./LensView";
import { NeuronsView } from "./NeuronsView";
import { PatchingView } from "./PatchingView";
import { TextView, type Viewed } from "./TextView";
import type { Loadable, Text } from "./server";

/** What every view is given: the selection, the opened model, and the typed text as the model reads it. */
export interface Seen extends Viewed {
  answer: Loadable<Text>;
  pieces: string[];
  theme: string;
}

export interface View {
  name: string;
  title: string;
  Show: (seen: Seen) => JSX.Element;
}

export const VIEWS: readonly View[] = [
  { name: "text", title: "Text", Show: TextView },
  { name: "attention", title: "Attention", Show: AttentionView },
  { name: "lens", title: "Lens", Show: LensView },
  { name: "patching", title: "Patching", Show: PatchingView },
  { name: "circuit", title: "Circuit", Show: CircuitView },
  { name: "neurons", title: "Neurons", Show: NeuronsView },
];

/** The view of this name; the first if there is none. */
export const named = (name: string): View => VIEWS.find((one) => one.name === name) ?? (VIEWS[0] as View);
