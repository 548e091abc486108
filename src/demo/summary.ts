/** What the demo has shown, as its last line with `--json`. Times in milliseconds. */
export interface Summary {
  /** Only when no acknowledged row was lost. */
  readonly ok: boolean;
  /** Who promoted: slotkeeper, or the demonstration itself. */
  readonly ha: 'manage' | 'observe';
  readonly lost: number;
  readonly duplicated: number;
  /** Rows that were written and acknowledged. */
  readonly rows: number;
  readonly received: number;
  /** From the write of the configuration until the slot was ready on every standby. */
  readonly slotReadyMs: number;
  /** From the kill of the primary until the first write that the new one accepted. */
  readonly failoverMs: number;
  /** From the kill of the primary until the consumer streamed from the slot on the new one. */
  readonly consumerMs: number;
  /** How long no write was accepted around the switchover; null = there was none. */
  readonly switchoverMs: number | null;
  /** The major version of the servers: up to 15 a slot costs each standby a restart. */
  readonly postgres: number;
  readonly standbysRestarted: number;
  readonly lostRows: readonly number[];
}

/** The summary in words. */
export function summaryLines(summary: Summary): readonly string[] {
  const {
    rows,
    received,
    lost,
    duplicated,
    slotReadyMs,
    failoverMs,
    consumerMs,
    switchoverMs,
    postgres,
    standbysRestarted,
  } = summary;
  return [
    `rows written and acknowledged   ${rows}`,
    `rows received                   ${received}`,
    `lost                            ${lost}${lost === 0 ? '' : `  (${summary.lostRows.slice(0, 10).join(', ')}${lost > 10 ? ', …' : ''})`}`,
    `received twice                  ${duplicated}`,
    `slot ready on every standby     ${seconds(slotReadyMs)} after it was declared`,
    `restarts (PostgreSQL ${postgres})        ${restartsInWords(standbysRestarted)}`,
    `writes on the new primary       ${seconds(failoverMs)} after the old one was killed`,
    `consumer on the new primary     ${seconds(consumerMs)} after the old one was killed`,
    ...(switchoverMs === null ? [] : [`switchover                      ${seconds(switchoverMs)} without a write`]),
    lost === 0 ? 'Nothing was lost.' : 'CHANGES WERE LOST.',
  ];
}

/** What the slot cost the standbys, in words. */
export function restartsInWords(standbysRestarted: number): string {
  if (standbysRestarted === 0) return 'no standby was restarted for it';
  return standbysRestarted === 1
    ? 'one standby was restarted for it'
    : `${standbysRestarted} standbys were restarted for it`;
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
