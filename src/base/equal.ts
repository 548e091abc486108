/**
 * Whether two plain values (primitives, arrays, Maps, plain objects; no cycles) say the same. Key order does not count
 * in Maps and objects; a property that is undefined counts as absent.
 */
export function equal(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a)) return Array.isArray(b) && equalArrays(a, b);
  if (a instanceof Map) return b instanceof Map && equalMaps(a, b);
  if (Array.isArray(b) || b instanceof Map) return false;
  return equalObjects(a as PlainObject, b as PlainObject);
}

type PlainObject = Readonly<Record<string, unknown>>;

function equalArrays(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, i) => equal(item, b[i]));
}

function equalMaps(a: ReadonlyMap<unknown, unknown>, b: ReadonlyMap<unknown, unknown>): boolean {
  if (a.size !== b.size) return false;
  for (const [key, value] of a) if (!equal(value, b.get(key)) || (value === undefined && !b.has(key))) return false;
  return true;
}

/** Walks the objects themselves: every View's member is compared with the one in Consul, several times a second. */
function equalObjects(a: PlainObject, b: PlainObject): boolean {
  let said = 0;
  for (const name of Object.keys(a)) {
    const value = a[name];
    if (value === undefined) continue;
    said += 1;
    // What an object inherits (`constructor`, say) is not said by it.
    if (!Object.hasOwn(b, name) || !equal(value, b[name])) return false;
  }
  const names = Object.keys(b);
  return names.length === said || names.filter((name) => b[name] !== undefined).length === said;
}
