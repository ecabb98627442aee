/** The messages of the live views, as the server's dataclasses of the same names have them (a test compares their fields). */
export interface Pair {
  clean: string;
  corrupt: string;
  answer: string;
  wrong: string;
}

export interface Axis {
  name: string;
  labels: string[];
}

export interface Swept {
  axes: Axis[];
  first: number;
  changes: number[];
  clean: number;
  corrupt: number;
  answer: string;
  wrong: string;
  note: string;
  doubt: string | null;
}

export interface Expected {
  symbols: string[];
  chances: number[];
  answer: number;
  wrong: number;
  logit_difference: number;
}

export interface CellChange {
  before: Expected;
  after: Expected;
  source: Expected;
}

export interface Node {
  name: string;
  x: number;
  y: number;
  live: boolean;
}

export interface Arrow {
  name: string;
  source: string;
  reader: string;
  effect: number;
  share: number;
  way: number[];
}

export interface Diagram {
  nodes: Node[];
  arrows: Arrow[];
  width: number;
  height: number;
  half_width: number;
  half_height: number;
}

export interface Size {
  edges: number;
  faithfulness: number;
}

export interface Found {
  edges: string[];
  of: number;
  connected: number;
  diagram: Diagram;
  sizes: Size[];
  faithfulness: number;
  clean: number;
  corrupt: number;
  answer: string;
  wrong: string;
  note: string;
  doubt: string | null;
  seconds: number;
}

export interface Judged {
  faithfulness: number;
  edges: number;
  connected: number;
  circuit: Expected;
  model: Expected;
  nothing: Expected;
}

export interface OnText {
  name: string;
  layer: number;
  neuron: number;
  activations: number[];
  largest: number | null;
}

export interface Neurons {
  measured: boolean;
  neurons: OnText[];
}

export interface Measured {
  corpus: string;
  characters: number;
}

export interface Weighed {
  name: string;
  value: number;
}

export interface Example {
  kind: string;
  text: string;
  activations: (number | null)[];
}

export interface Card {
  name: string;
  statistics: Weighed[];
  raises: Weighed[];
  lowers: Weighed[];
  edges: number[];
  counts: number[];
  examples: Example[];
}

export interface Concepts {
  on: Weighed[];
  silent: Weighed[];
}

export interface DictionaryOf {
  number: number;
  source: string;
  kind: string;
  latents: number;
  k: number;
  path: string;
}

export interface ActiveFeature {
  feature: number;
  values: number[];
  largest: number | null;
}

export interface Features {
  measured: boolean;
  features: ActiveFeature[];
}

export interface Shown {
  before: string;
  here: string;
  after: string;
  value: number;
  tenth: number;
  times: number;
}

export interface FeatureFacts {
  name: string;
  density: number;
  largest: number;
  raises: Weighed[];
  lowers: Weighed[];
  examples: Shown[];
}

export interface Told {
  concept: string;
  auroc: number;
  p: number;
  inside: number;
  outside: number;
}

export interface FeatureConcepts {
  told: Told[];
}

export interface TunedLens {
  steps: number;
  logit_kl: number;
  tuned_kl: number;
  stopped: boolean;
}

export interface Reason {
  head: string;
  query: number;
  key: number;
  sentence: string;
  names: string[];
  parts: number[][];
  total: number;
  attention: number;
}

export interface Costs {
  tuned_lens: number;
  neurons: number | null;
  features: number;
  circuit: number | null;
}
