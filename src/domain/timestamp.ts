/** A moment as a person wrote it. */
export interface Timestamp {
  /** Milliseconds since 1970; without a zone, as if it were UTC. */
  readonly atWallMs: number;
  readonly hasZone: boolean;
}

const day = '([0-9]{4})-([0-9]{2})-([0-9]{2})';
const time = '([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,9}))?)?';
const zone = '(Z|UTC|[+-][0-9]{2}(?::?[0-9]{2})?)';
const pattern = new RegExp(`^\\s*${day}[T ]${time}\\s*${zone}?\\s*$`, 'i');

/**
 * Reads a timestamp in ISO 8601, with what people and Patroni's tools write: a blank for the `T`, no seconds, `+02`, and
 * microseconds. Null = it is none.
 */
export function readTimestamp(text: string): Timestamp | null {
  const match = pattern.exec(text);
  if (match === null) return null;
  const [, year = '', month = '', date = '', hour = '', minute = '', second = '00', fraction = '', where] = match;
  const plain = `${year}-${month}-${date}T${hour}:${minute}:${second}`;
  const atUtcMs = Date.parse(`${plain}Z`);
  // A 31st of February is taken for a day in March otherwise.
  if (Number.isNaN(atUtcMs) || !new Date(atUtcMs).toISOString().startsWith(plain)) return null;
  const milliseconds = Number(`${fraction}000`.slice(0, 3));
  return { atWallMs: atUtcMs + milliseconds - offsetMs(where), hasZone: where !== undefined };
}

/** How far a zone is ahead of UTC. */
function offsetMs(where: string | undefined): number {
  const match = /^([+-])([0-9]{2}):?([0-9]{2})?$/.exec(where ?? '');
  if (match === null) return 0;
  const minutes = Number(match[2]) * 60 + Number(match[3] ?? 0);
  return (match[1] === '-' ? -1 : 1) * minutes * 60_000;
}

/** In the form that Patroni writes: `2026-01-02T03:04:05+00:00`. */
export function writeTimestamp(atWallMs: number): string {
  return new Date(atWallMs).toISOString().replace(/(?:\.000)?Z$/, '+00:00');
}
