/** What is changed in the model, as the address and the server have it: `L0H4` (off), `L2N17*3` (scaled), `D0F17` (a feature
 * silenced), `D0F17+2` (raised by twice its largest value). */
export const component = (name: string): string => name.split(/[*+-]/)[0] ?? name;

export const isFeature = (name: string): boolean => /^D\d+F\d+$/i.test(component(name));

/** What leaves a component as it is: a factor of 1, and of a feature nothing that is added. */
export const asItIs = (of: string): number => (isFeature(of) ? 0 : 1);

/** The factor of a component, or the multiple by which a feature is raised; null where it is off. */
export function factorOf(changes: readonly string[], of: string): number | null {
  const found = changes.find((one) => component(one) === of);
  if (found === undefined) return asItIs(of);
  const by = found.slice(of.length).replace(/^[*+]/, "");
  return by === "" ? null : Number(by);
}

const said = (of: string, factor: number): string => (isFeature(of) ? `${of}${factor < 0 ? "" : "+"}${factor}` : `${of}*${factor}`);

/** The changes with another factor of one component: null takes it away. */
export function withFactor(changes: readonly string[], of: string, factor: number | null): string[] {
  if (factor === asItIs(of)) return changes.filter((one) => component(one) !== of);
  const now = factor === null ? of : said(of, factor);
  return changes.some((one) => component(one) === of) ? changes.map((one) => (component(one) === of ? now : one)) : [...changes, now];
}
