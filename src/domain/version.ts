/** The oldest PostgreSQL that can advance a slot (S7). */
export const oldestMajor = 11;

/** 150018 → 15. Valid from PostgreSQL 10 on. */
export function majorOf(versionNum: number): number {
  return Math.floor(versionNum / 10_000);
}

/** 150018 → "15.18". */
export function versionText(versionNum: number): string {
  return `${majorOf(versionNum)}.${versionNum % 10_000}`;
}

/**
 * Whether `statement_timeout` stops an advance that waits for old transactions (FACTS: from 13.22, 14.19, 15.14, 16.10,
 * 17.6 and every 18). Where it does not, nothing does.
 */
export function advanceCanBeStopped(versionNum: number): boolean {
  const since: Readonly<Record<number, number>> = { 13: 22, 14: 19, 15: 14, 16: 10, 17: 6 };
  const major = majorOf(versionNum);
  if (major >= 18) return true;
  const minor = since[major];
  return minor !== undefined && versionNum % 10_000 >= minor;
}

/** The Patroni version whose formats the agent writes: Patroni's tools look at it to know what a member can read. */
export const patroniFormatVersion = '4.1.0';

/** "15.3" → 150003, "9.6.2" → 90602; null = not a version of PostgreSQL with its minor part. */
export function versionNumberOf(text: string): number | null {
  const match = /^([0-9]{1,2})\.([0-9]{1,3})(?:\.([0-9]{1,3}))?$/.exec(text.trim());
  if (match === null) return null;
  const [major = 0, second = 0, third = 0] = match.slice(1).map((part) => Number((part as string | undefined) ?? 0));
  if (major >= 10) return match[3] === undefined ? major * 10_000 + second : null;
  return match[3] === undefined ? null : major * 10_000 + second * 100 + third;
}
