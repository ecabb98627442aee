/** What is changed in the model: names such as `L0H4` (off) and `L2N17*3` (scaled), as the address and the server have them. */
export const component = (name: string): string => name.split("*")[0] ?? name;

/** The factor of a component; null where it is off, 1 where it is as it is. */
export function factorOf(changes: readonly string[], of: string): number | null {
  const found = changes.find((one) => component(one) === of);
  if (found === undefined) return 1;
  return found.includes("*") ? Number(found.split("*")[1]) : null;
}

/** The changes with another factor of one component: null takes it away, 1 leaves it as it is. */
export function withFactor(changes: readonly string[], of: string, factor: number | null): string[] {
  const said = factor === null ? of : `${of}*${factor}`;
  if (factor === 1) return changes.filter((one) => component(one) !== of);
  return changes.some((one) => component(one) === of) ? changes.map((one) => (component(one) === of ? said : one)) : [...changes, said];
}
