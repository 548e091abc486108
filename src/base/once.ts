/**
 * The same pure function, but one that does its work only once while it is asked about one object again and again: many
 * parts of a plan ask the same of one View. It keeps that object until it is asked about another.
 */
export function onceForEach<K extends object, V>(derive: (of: K) => V): (of: K) => V {
  let last: { readonly of: K; readonly value: V } | null = null;
  return (of) => {
    if (last?.of !== of) last = { of, value: derive(of) };
    return last.value;
  };
}
