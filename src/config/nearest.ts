/** The known name that `word` is probably a slip of, or the beginning of; null = none is near. */
export function nearest(word: string, names: readonly string[]): string | null {
  // Longer words are not slips, and the comparison takes the product of both lengths.
  if (word.length > 64) return null;
  const plain = word.toLowerCase().replaceAll('-', '_');
  const most = Math.min(2, Math.floor(plain.length / 3));
  let best: { name: string; distance: number } | null = null;
  for (const name of names) {
    const distance = plain.length >= 4 && name.startsWith(plain) ? 1 : slips(plain, name);
    if (distance <= most && (best === null || distance < best.distance)) best = { name, distance };
  }
  return best?.name ?? null;
}

/** How many letters were left out, added, exchanged or swapped with the next one (optimal string alignment). */
function slips(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, column) => column)];
  const at = (row: number, column: number): number => rows[row]?.[column] ?? 0;
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    rows.push(row);
    for (let j = 1; j <= b.length; j += 1) {
      const exchanged = at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped =
        i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? at(i - 2, j - 2) + 1 : Infinity;
      row.push(Math.min(exchanged, at(i - 1, j) + 1, (row[j - 1] ?? 0) + 1, swapped));
    }
  }
  return at(a.length, b.length);
}
