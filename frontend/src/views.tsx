/** The views, in the order of their tabs. A view is one entry here and one file. */
import type { JSX } from "preact";
import { AttentionView } from "./AttentionView";
import { CircuitView } from "./CircuitView";
import { LensView } from "./LensView";
import { NeuronsAndFeatures } from "./NeuronsAndFeatures";
import { PatchingView } from "./PatchingView";
import { TextView, type Viewed } from "./TextView";
import { FindingsView } from "./FindingsView";
import { HeadsView } from "./HeadsView";
import { StoredCircuitView } from "./StoredCircuitView";
import type { Selection } from "./selection";
import type { Loadable, Model, Text } from "./server";
import { TrainingView } from "./TrainingView";

/** What every view is given: the selection, the opened model, and the typed text as the model reads it. */
export interface Seen extends Viewed {
  answer: Loadable<Text>;
  pieces: string[];
  /** Ask for the text's predictions again. */
  refresh: () => void;
  theme: string;
}

/** What a view of stored results is given; it needs no model, and is in an exported page too. */
export interface Looked {
  at: Selection;
  set: (some: Partial<Selection>) => void;
  theme: string;
  model: Model | null;
}

/** A view of a model, of stored results, or of either: `Stored` is shown where no model is open. */
export interface View {
  name: string;
  title: string;
  Show?: (seen: Seen) => JSX.Element;
  Stored?: (looked: Looked) => JSX.Element;
}

export const VIEWS: readonly View[] = [
  { name: "text", title: "Text", Show: TextView },
  { name: "attention", title: "Attention", Show: AttentionView },
  { name: "lens", title: "Lens", Show: LensView },
  { name: "patching", title: "Patching", Show: PatchingView },
  { name: "circuit", title: "Circuit", Show: CircuitView, Stored: StoredCircuitView },
  { name: "neurons", title: "Neurons and features", Show: NeuronsAndFeatures },
  { name: "heads", title: "Heads", Stored: HeadsView },
  { name: "training", title: "Training", Stored: TrainingView },
  { name: "findings", title: "Findings", Stored: FindingsView },
];

/** The view of this name; the first if there is none, and in an exported page the findings. */
export const named = (name: string, views: readonly View[]): View =>
  views.find((one) => one.name === name) ?? ((views.length < VIEWS.length ? views.at(-1) : views[0]) as View);
