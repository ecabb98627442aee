/** What is stored, as the server says it: the mirror of views/stored_*.py and dashboard/stored.py. */
import type { Diagram } from "./messages";

export interface Index {
  folder: string;
  name: string;
  main: string;
  date: string;
  left_aside: string;
  heads: string[];
  trainings: string[];
  circuits: string[];
}

export interface Told {
  name: string;
  verdict: string;
  value: number | null;
  low: number | null;
  high: number | null;
  n: number;
  unit: string;
  why: string;
}

export interface Claim {
  id: string;
  sentence: string;
  question: string;
  reply: string;
  size: string;
  key: boolean;
  trainings_agree: string;
  effect: Told;
  alone: string;
  adjusted: number | null;
  criterion: string;
  region: [number | null, number | null];
  null: number | null;
  null_is: string;
  words: string;
  trainings: Told[];
  beside: Told[];
  figure: string;
}

export interface Figure {
  result: string;
  name: string;
  of: string;
}

export interface Section {
  experiment: string;
  title: string;
  asks: string;
  subject: string;
  result: string;
  date: string;
  note: string;
  claims: Claim[];
  figures: Figure[];
}

export type Grid = (number | null)[][];

export interface Measure {
  name: string;
  unit: string;
  about: string;
  causal: boolean;
  values: Grid;
  low: Grid | null;
  high: Grid | null;
  rank_low: Grid | null;
  rank_high: Grid | null;
}

export interface HeadTable {
  label: string;
  result: string;
  trainings: number;
  names: string[];
  classes: string[];
  writes: string[];
  measures: Measure[];
}

export interface OpenedHeads {
  stored: number;
  table: HeadTable | null;
  seconds: number;
}

export interface KeptBy {
  edges: number;
  share: number;
}

export interface StoredCircuit {
  label: string;
  result: string;
  task: string;
  asks: string;
  edges: number;
  connected: number;
  of: number;
  kept: number;
  clean: number;
  corrupt: number;
  examples: number;
  sizes: KeptBy[];
  diagram: Diagram;
}

export interface Curve {
  name: string;
  panel: string;
  unit: string;
  trainings: number[][];
  mean: number[];
  low: number[] | null;
  high: number[] | null;
}

export interface Happening {
  name: string;
  steps: (number | null)[];
  low: (number | null)[];
  high: (number | null)[];
}

export interface EveryHead {
  training: string;
  scores: string[];
  unit: string;
  values: number[][][][];
}

export interface TrainingHistory {
  label: string;
  results: string[];
  steps: number[];
  trainings: string[];
  curves: Curve[];
  events: Happening[];
  every_head: EveryHead | null;
}

/** A number with three digits that count. */
export function figures(x: number | null | undefined): string {
  if (x === null || x === undefined || !Number.isFinite(x)) return "–";
  const said = Math.abs(x) >= 1000 ? x.toFixed(0) : Math.abs(x) < 1e-6 && x !== 0 ? x.toExponential(1) : Number(x.toPrecision(3)).toString();
  return said.replace("-", "−");
}
