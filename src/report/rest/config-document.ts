/** A JSON object as it stands in the key `config`, with everything in it that slotkeeper does not use. */
export type ConfigDocument = Readonly<Record<string, unknown>>;

/** Deeper than any configuration is; deeper than this, plain recursion could exhaust the stack. */
const deepest = 64;

/** Null = not a JSON object, or one that is too deep to be a configuration. */
export function parseConfigDocument(text: string | null): ConfigDocument | null {
  if (text === null) return null;
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) && isShallow(value, deepest) ? value : null;
  } catch {
    return null;
  }
}

/**
 * Lays `patch` over `document` by Patroni's rules: null takes a key away, an object is merged into an object, anything
 * else replaces what was there.
 */
export function patchConfigDocument(document: ConfigDocument, patch: ConfigDocument): ConfigDocument {
  const merged = new Map(Object.entries(document));
  for (const [key, value] of Object.entries(patch)) {
    const present = merged.get(key);
    if (value === null) merged.delete(key);
    else if (isObject(value) && isObject(present)) merged.set(key, patchConfigDocument(present, value));
    else merged.set(key, value);
  }
  // fromEntries defines fields, where an assignment to `__proto__` would set the prototype.
  return Object.fromEntries(merged);
}

function isObject(value: unknown): value is ConfigDocument {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isShallow(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return levels > 0 && Object.values(value).every((item) => isShallow(item, levels - 1));
}
