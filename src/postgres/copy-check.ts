import { formatLsn } from '../domain/lsn.ts';
import type { FetchedSlot, SkippedSlot, WantedSlot } from './copy-source.ts';
import { type WalOnDisk, hasWal } from './copy-wal.ts';

/** The server that gets the slots, as far as it decides whether it can take them. */
export interface CopyTarget extends WalOnDisk {
  readonly walLevel: string;
  readonly hotStandby: boolean;
  readonly maxReplicationSlots: number;
  /** Why WAL that is missing could not be fetched; null = it could, or was not tried to. */
  readonly walTrouble: string | null;
  readonly databaseOids: ReadonlyMap<string, number>;
  /** Slots that are here now and outlive a restart. */
  readonly slots: ReadonlyMap<string, { readonly type: 'logical' | 'physical'; readonly active: boolean }>;
}

export interface Checked {
  readonly accepted: readonly FetchedSlot[];
  readonly skipped: readonly SkippedSlot[];
}

/**
 * Which of the slots this server can take. A server with a slot that it cannot keep does not start at all, so everything
 * that keeps it from starting is looked at here, before it is stopped. `replace` names slots that may be overwritten;
 * those of them that are not wanted are removed.
 */
export function checkSlots(
  fetched: readonly FetchedSlot[],
  wanted: readonly WantedSlot[],
  replace: readonly string[],
  target: CopyTarget,
): Checked {
  const accepted: FetchedSlot[] = [];
  const skipped: SkippedSlot[] = [];
  const wantedNames = new Set(wanted.map(({ name }) => name));
  const removed = replace.filter((name) => !wantedNames.has(name) && target.slots.has(name)).length;
  let room = target.maxReplicationSlots - target.slots.size + removed;
  for (const slot of fetched) {
    const asked = wanted.find(({ name }) => name === slot.name);
    const why =
      asked === undefined
        ? 'it was not asked for'
        : (whyNotThisSlot(slot, asked, target) ?? whyNotHere(slot, replace, target, room));
    if (why !== null) {
      skipped.push({ name: slot.name, why });
      continue;
    }
    if (!target.slots.has(slot.name)) room -= 1;
    accepted.push(slot);
  }
  return { accepted, skipped };
}

function whyNotThisSlot({ name, state }: FetchedSlot, asked: WantedSlot, target: CopyTarget): string | null {
  if (state.name !== name) return `its file on the primary is of slot ${state.name}`;
  if (state.databaseOid === 0) return 'it is a physical slot on the primary';
  if (state.persistency !== 'persistent') return `it is ${state.persistency} on the primary`;
  if (state.invalidated || state.restartLsn === 0n) return 'the primary has invalidated it';
  if (state.plugin !== asked.plugin) return `on the primary its plugin is ${state.plugin}, not ${asked.plugin}`;
  const oid = target.databaseOids.get(asked.database);
  if (oid === undefined) return `there is no database ${asked.database} here (yet)`;
  if (oid !== state.databaseOid) return `on the primary it is in another database than ${asked.database}`;
  return null;
}

function whyNotHere(
  { name, state }: FetchedSlot,
  replace: readonly string[],
  target: CopyTarget,
  room: number,
): string | null {
  if (target.walLevel !== 'logical') return `wal_level is ${target.walLevel} here: the server would not start`;
  if (!target.hotStandby) return 'hot_standby is off here';
  const present = target.slots.get(name);
  if (present !== undefined) {
    if (!replace.includes(name)) return 'a slot of this name is here already';
    if (present.type === 'physical') return 'a physical slot of this name is here';
    if (present.active) return 'the slot of this name here is in use';
  } else if (room <= 0) {
    return `there is no room: max_replication_slots is ${target.maxReplicationSlots} here`;
  }
  if (target.replayedLsn === null || state.confirmedFlushLsn > target.replayedLsn) {
    const replayed = target.replayedLsn === null ? 'nothing' : `up to ${formatLsn(target.replayedLsn)}`;
    return `its position is ${formatLsn(state.confirmedFlushLsn)}, and this server has replayed ${replayed}`;
  }
  if (!hasWal(state.restartLsn, target)) {
    const trouble = target.walTrouble === null ? '' : `, and could not be fetched: ${target.walTrouble}`;
    return `the WAL from its restart position ${formatLsn(state.restartLsn)} is not on this server${trouble}`;
  }
  return null;
}
