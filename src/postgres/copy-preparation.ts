import { realpath } from 'node:fs/promises';
import type { WalLine } from '../domain/lead.ts';
import type { CopyRequest } from '../domain/local.ts';
import { type Lsn, parseLsn } from '../domain/lsn.ts';
import { majorOf } from '../domain/version.ts';
import { type Connection, connect } from './client.ts';
import { parseUrl } from './conninfo.ts';
import type { CopyWork } from './copy.ts';
import { type CopyTarget, checkSlots } from './copy-check.ts';
import { type FetchedSlot, type SkippedSlot, fetchSlot } from './copy-source.ts';
import { type FetchedWal, fetchWal, hasWal, missingWal } from './copy-wal.ts';
import { type DataDirectory, historyFileName, walFileSuffix, walFileSuffixes } from './data-directory.ts';
import { ServerError } from './port.ts';
import type { LocalServerSettings } from './settings.ts';
import { controlTimeline } from './sql/control-timeline.ts';
import { copySource } from './sql/copy-source.ts';
import { copyTarget } from './sql/copy-target.ts';
import type { LookRow } from './sql/look.ts';
import { readBinaryFile } from './sql/read-binary-file.ts';
import { switchesIn } from './sql/timeline-history.ts';
import type { Statement } from './statement.ts';

export interface CopyPreparation {
  readonly settings: LocalServerSettings;
  readonly directory: DataDirectory;
  readonly look: (signal: AbortSignal) => Promise<LookRow>;
  readonly ask: <Result>(statement: Statement<Result>, signal: AbortSignal) => Promise<Result>;
}

/**
 * Everything about a copy that can be done while the server runs: reads what the primary has and sorts out what of it
 * this server can take. Changes nothing anywhere. Throws ServerError.
 */
export async function prepareCopy(
  preparation: CopyPreparation,
  request: CopyRequest,
  signal: AbortSignal,
): Promise<{ readonly work: CopyWork; readonly skipped: readonly SkippedSlot[] }> {
  const here = await preparation.look(signal);
  if (!here.inRecovery) throw new ServerError('copy slots: this server is a primary', 'other', null);
  const target = await targetOf(preparation, here, signal);
  const fetched = await fetchAll(preparation, request, here, target, signal);
  const checked = checkSlots(fetched.slots, request.slots, request.replace, fetched.target);
  const wanted = new Set(request.slots.map(({ name }) => name));
  const remove = request.replace.filter((name) => !wanted.has(name) && isIdle(target, name));
  return {
    work: { slots: checked.accepted, remove, wal: checked.accepted.length === 0 ? [] : fetched.wal, target },
    skipped: [...fetched.skipped, ...checked.skipped],
  };
}

function isIdle(target: CopyTarget, name: string): boolean {
  const slot = target.slots.get(name);
  return slot?.type === 'logical' && !slot.active;
}

/** What the primary has of what is asked for, and this server as it is with the WAL that was fetched. */
interface Fetched {
  readonly slots: readonly FetchedSlot[];
  readonly skipped: readonly SkippedSlot[];
  readonly wal: readonly FetchedWal[];
  readonly target: CopyTarget;
}

async function fetchAll(
  { settings }: CopyPreparation,
  request: CopyRequest,
  here: LookRow,
  target: CopyTarget,
  signal: AbortSignal,
): Promise<Fetched> {
  const address = parseUrl(request.primaryUrl);
  if (address === undefined)
    throw new ServerError("copy slots: the primary's connection URL is not one", 'other', null);
  const { connectMs, lookMs } = settings.timeouts;
  const primary = await connect(
    address,
    settings.credentials,
    { connectTimeoutMs: connectMs, statementTimeoutMs: lookMs },
    signal,
  );
  try {
    const major = await verifiedMajor(primary, here, signal);
    const slots: FetchedSlot[] = [];
    const skipped: SkippedSlot[] = [];
    for (const wanted of request.slots) {
      const fetched = await fetchSlot(primary, wanted, major, signal);
      if ('slot' in fetched) slots.push(fetched.slot);
      else skipped.push(fetched.skipped);
    }
    const lacking = lackingWal(slots, request, target);
    if (lacking.length === 0) return { slots, skipped, wal: [], target };
    const origin = { systemIdentifier: here.systemIdentifier, major, ...(await lineOf(primary, signal)) };
    const { files, why } = await fetchWal(primary, lacking, target, origin, signal);
    const walFiles = new Set([...target.walFiles, ...files.map(({ name }) => name.slice(8))]);
    return { slots, skipped, wal: files, target: { ...target, walFiles, walTrouble: why } };
  } finally {
    await primary.close();
  }
}

async function lineOf(primary: Connection, signal: AbortSignal): Promise<WalLine> {
  const timeline = await primary.run(controlTimeline(), signal);
  if (timeline === 1) return { timeline, switches: [] };
  const history = await primary.run(readBinaryFile(`pg_wal/${historyFileName(timeline)}`), signal);
  return { timeline, switches: switchesIn(history.toString()) };
}

/** Where the slots start that this server could take if only it had the WAL. */
function lackingWal(slots: readonly FetchedSlot[], request: CopyRequest, target: CopyTarget): readonly Lsn[] {
  const missing = slots.flatMap(({ state }) =>
    // An invalidated slot has none.
    state.restartLsn === 0n ? [] : missingWal(state.restartLsn, target),
  );
  const withAll = {
    ...target,
    walFiles: new Set([...target.walFiles, ...missing.map((start) => walFileSuffix(start, target.walSegmentBytes))]),
  };
  return checkSlots(slots, request.slots, request.replace, withAll)
    .accepted.map(({ state }) => state.restartLsn)
    .filter((start) => !hasWal(start, target));
}

/** The files of one major version mean nothing to another, and those of another cluster do harm. */
async function verifiedMajor(primary: Connection, here: LookRow, signal: AbortSignal): Promise<number> {
  const source = await primary.run(copySource(), signal);
  const refuse = (why: string): never => {
    throw new ServerError(`copy slots: ${why}`, 'other', null);
  };
  if (source.inRecovery) return refuse('the server that is said to be the primary is a standby');
  if (source.systemIdentifier !== here.systemIdentifier) return refuse('the primary belongs to another cluster');
  const major = majorOf(source.versionNum);
  const own = majorOf(here.versionNum);
  return major === own ? major : refuse(`the primary is PostgreSQL ${major}, this server ${own}`);
}

async function targetOf({ directory, ask }: CopyPreparation, here: LookRow, signal: AbortSignal): Promise<CopyTarget> {
  const target = await ask(copyTarget(), signal);
  if (target.dataDirectory !== null && (await realpath(directory.root)) !== (await realpath(target.dataDirectory))) {
    const what = `the server's data directory is ${target.dataDirectory}, the configured one ${directory.root}`;
    throw new ServerError(`copy slots: ${what}`, 'other', null);
  }
  return {
    walLevel: here.settings.walLevel,
    hotStandby: target.hotStandby,
    maxReplicationSlots: here.settings.maxReplicationSlots,
    replayedLsn: here.replayedLsn === null ? null : (parseLsn(here.replayedLsn) ?? null),
    walSegmentBytes: here.walSegmentBytes,
    walFiles: await walFileSuffixes(directory),
    walTrouble: null,
    databaseOids: new Map(target.databases.map(({ name, oid }) => [name, oid])),
    slots: new Map(
      here.slots.filter(({ temporary }) => !temporary).map(({ name, type, active }) => [name, { type, active }]),
    ),
  };
}
