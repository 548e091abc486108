import { isMap, ownValue } from './field.ts';

type Tree = Readonly<Record<string, unknown>>;

/**
 * Lays `patch` over `config` as Patroni does: objects are merged key by key, null takes a key away, and everything else
 * replaces what is there. What comes where no object was is taken as it is, with its nulls: `{"slots": {"a": null}}` declares
 * the first slot, a physical one. Neither argument is changed.
 */
export function patchConfig(config: Tree, patch: Tree): Tree {
  const patched = new Map(Object.entries(config));
  for (const [key, value] of Object.entries(patch)) {
    const present = ownValue(config, key);
    if (value === null) patched.delete(key);
    else patched.set(key, isMap(value) && isMap(present) ? patchConfig(present, value) : value);
  }
  return Object.fromEntries(patched);
}

/**
 * The configuration with one value set, null taking it away and sections that become empty with it. The path is written
 * with dots; what follows `postgresql.parameters.` is one name, since PostgreSQL's settings may have dots themselves.
 */
export function setInConfig(config: Tree, path: string, value: unknown): Tree {
  const parameters = 'postgresql.parameters.';
  const keys = path.startsWith(parameters)
    ? ['postgresql', 'parameters', path.slice(parameters.length)]
    : path.split('.');
  return setAt(config, keys, value);
}

function setAt(config: Tree, [key = '', ...rest]: readonly string[], value: unknown): Tree {
  const changed = new Map(Object.entries(config));
  const present = ownValue(config, key);
  const next = rest.length === 0 ? value : setAt(isMap(present) ? present : {}, rest, value);
  if (next === null || (rest.length > 0 && isMap(next) && Object.keys(next).length === 0)) changed.delete(key);
  else changed.set(key, next);
  return Object.fromEntries(changed);
}
