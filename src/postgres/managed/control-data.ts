import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { ClusterState, ControlData } from '../../domain/disk.ts';
import { type Lsn, parseLsn } from '../../domain/lsn.ts';
import type { DataDirectory } from '../data-directory.ts';

const states: readonly ClusterState[] = [
  'starting up',
  'shut down',
  'shut down in recovery',
  'shutting down',
  'in crash recovery',
  'in archive recovery',
  'in production',
];

/** Reads what pg_controldata prints in English. Throws, naming the line, when one is missing or makes no sense. */
export function parseControlData(text: string): ControlData {
  const lines = new Map(
    text.split('\n').map((line): [string, string] => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    }),
  );
  const read = <T>(label: string, as: (value: string) => T | undefined): T => {
    const value = as(lines.get(label) ?? '');
    if (value !== undefined) return value;
    throw new Error(
      `pg_controldata says ${JSON.stringify(lines.get(label) ?? 'nothing')} for ${JSON.stringify(label)}`,
    );
  };
  const minRecoveryEndTimeline = read("Min recovery ending loc's timeline", wholeNumber);
  return {
    systemIdentifier: read('Database system identifier', (value) => (/^\d+$/.test(value) ? value : undefined)),
    state: read('Database cluster state', (value) => states.find((state) => state === value)),
    timeline: read("Latest checkpoint's TimeLineID", wholeNumber),
    checkpointLsn: read('Latest checkpoint location', parseLsn),
    minRecoveryEndLsn: unlessZero(read('Minimum recovery ending location', parseLsn)),
    minRecoveryEndTimeline: minRecoveryEndTimeline === 0 ? null : minRecoveryEndTimeline,
    isRewindable:
      read('wal_log_hints setting', (value) => (value === '' ? undefined : value === 'on')) ||
      read('Data page checksum version', wholeNumber) > 0,
  };
}

/** The first eight bytes of `pg_control`, in every version; no program has to be run for it. */
export async function systemIdentifierIn(directory: DataDirectory): Promise<string> {
  const file = await open(join(directory.root, 'global', 'pg_control'), 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(8), 0, 8, 0);
    if (bytesRead < 8) throw new Error(`${directory.root}: pg_control is too short`);
    return String(endianness === 'LE' ? buffer.readBigUInt64LE() : buffer.readBigUInt64BE());
  } finally {
    await file.close();
  }
}

const endianness = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? 'LE' : 'BE';

function wholeNumber(value: string): number | undefined {
  return /^\d+$/.test(value) ? Number(value) : undefined;
}

function unlessZero(lsn: Lsn): Lsn | null {
  return lsn === 0n ? null : lsn;
}
