import type { Ledger } from '../domain/local.ts';
import { majorOf } from '../domain/version.ts';
import { type ConnectOptions, type Connection, connect } from './client.ts';
import type { PlacedSlot } from './copy-staging.ts';
import { dataDirectory } from './data-directory.ts';
import { createFileCopy } from './file-copy.ts';
import { emptyLedger, readLedgerFile, withPlacedSlots, writeLedgerFile } from './ledger.ts';
import { type SeenOnDisk, logicalSlotNames, primaryTimeline, restartPositions, serverLook } from './look.ts';
import { createLooker } from './looker.ts';
import { nativeActions } from './native-actions.ts';
import { createPool } from './pool.ts';
import { type LocalServer, ServerError } from './port.ts';
import { settingActions } from './setting-actions.ts';
import type { LocalServerSettings } from './settings.ts';
import { slotActions } from './slot-actions.ts';
import { unseenFiles, watchFilesOnDisk } from './slot-files-on-disk.ts';
import { watchSlotIdentities } from './slot-identity.ts';
import type { LookRow } from './sql/look.ts';
import { timelineHistory } from './sql/timeline-history.ts';
import { standbyTimeline } from './standby-timeline.ts';
import type { Statement } from './statement.ts';
import { templateActions } from './template-actions.ts';

const poolLimits = { maxRunning: 16, maxIdle: 4, idleMs: 15_000 };

/**
 * The real server beside the agent. Nothing is connected before the first call. Without a data directory there is no
 * file copy, what a slot needs on disk and its `identity` are null, and the ledger lasts as long as the agent.
 */
export function createLocalServer(settings: LocalServerSettings): LocalServer {
  const { address, timeouts, clock, member } = settings;
  const directory = settings.dataDir === null ? null : dataDirectory(settings.dataDir);
  const open = (
    options: Partial<ConnectOptions>,
    signal: AbortSignal,
    database = address.database,
  ): Promise<Connection> =>
    connect(
      { ...address, database },
      options.replication === true ? (settings.replicationCredentials ?? settings.credentials) : settings.credentials,
      { connectTimeoutMs: timeouts.connectMs, statementTimeoutMs: timeouts.lookMs, ...options },
      signal,
    );

  const lostHeard = new Set<() => void>();
  const onLost = (): void => {
    for (const heard of lostHeard) heard();
  };
  const looker = createLooker((signal) => open({ onLost }, signal));
  const pool = createPool({
    clock,
    ...poolLimits,
    connect: (database, signal) => open({ statementTimeoutMs: timeouts.advanceMs }, signal, database),
  });
  const ask = <Result>(statement: Statement<Result>, signal: AbortSignal): Promise<Result> =>
    pool.run(address.database, statement, signal);
  const replicationConnection = (signal: AbortSignal): Promise<Connection> => open({ replication: true }, signal);
  const timelineOfStandby = standbyTimeline({ replicationConnection, ask });
  const patient = (database: string, signal: AbortSignal): Promise<Connection> =>
    open({ statementTimeoutMs: timeouts.createMs }, signal, database);
  const filesOnDisk = directory === null ? null : watchFilesOnDisk(directory);
  const slotIdentities = directory === null ? null : watchSlotIdentities(directory);

  /** Known from the first look on: whose ledger it is. */
  let systemIdentifier: string | null = null;
  let ledgerInMemory: Ledger | null = null;

  /** One after the other: two at once would take each other's draft away, and one what the other has just added. */
  let ledgerWritten: Promise<void> = Promise.resolve();
  const afterOthers = (write: () => Promise<void>): Promise<void> => {
    const written = ledgerWritten.then(write);
    ledgerWritten = written.catch(() => undefined);
    return written;
  };

  const remember = async (placed: readonly PlacedSlot[]): Promise<void> => {
    if (directory === null || systemIdentifier === null || placed.length === 0) return;
    try {
      const owner = { member, systemIdentifier };
      await afterOthers(async () => {
        await writeLedgerFile(directory, withPlacedSlots(await readLedgerFile(directory, owner), placed));
      });
    } catch {
      // Whoever reads or saves the whole of it says what is wrong with it.
    }
  };
  const fileCopy = createFileCopy({ settings, directory, ask, remember, connect: (signal) => open({}, signal) });

  const lookWithFiles = async (signal: AbortSignal): Promise<{ row: LookRow; seen: SeenOnDisk }> => {
    let row = await looker.look(signal);
    let identities = await slotIdentities?.(logicalSlotNames(row));
    if (identities?.anyUnsure === true) {
      // Once more, so that a new slot does not go with the positions of one that it has replaced just now.
      row = await looker.look(signal);
      identities = await slotIdentities?.(logicalSlotNames(row));
    }
    const format = { major: majorOf(row.versionNum), segmentBytes: row.walSegmentBytes };
    const filesAt = (await filesOnDisk?.(format, restartPositions(row))) ?? (() => unseenFiles);
    return { row, seen: { filesAt, identities: identities?.sure ?? new Map() } };
  };

  return {
    look: async (signal) => {
      const { row, seen } = await lookWithFiles(signal);
      systemIdentifier = row.systemIdentifier;
      await fileCopy.sawServerRunning();
      return serverLook(row, primaryTimeline(row) ?? (await timelineOfStandby(row, signal)), seen);
    },
    onLost: (heard) => {
      lostHeard.add(heard);
      return () => void lostHeard.delete(heard);
    },
    timelineHistory: async (timeline, signal) => {
      // The first timeline has no file.
      if (timeline === 1) return [];
      const connection = await replicationConnection(signal);
      try {
        return await connection.run(timelineHistory(timeline), signal);
      } finally {
        await connection.close();
      }
    },
    ...slotActions({ pool, database: address.database, patient }),
    ...templateActions(pool, ask),
    ...nativeActions({ ask, patient, replicationConnection }),
    ...settingActions(ask, (signal) => open({}, signal)),
    copySlots: (request, signal) => fileCopy.copySlots(request, signal),
    copyWasInterrupted: () => fileCopy.copyWasInterrupted(),
    startAfterCopy: (signal) => fileCopy.startAfterCopy(signal),
    readLedger: async () => {
      if (systemIdentifier === null) throw new ServerError('read the ledger: no look has succeeded yet', 'other', null);
      const owner = { member, systemIdentifier };
      if (directory === null) return ledgerInMemory ?? emptyLedger(owner);
      await remember(fileCopy.inherited());
      return readLedgerFile(directory, owner);
    },
    writeLedger: async (ledger) => {
      if (directory === null) ledgerInMemory = ledger;
      else await afterOthers(() => writeLedgerFile(directory, ledger));
    },
    close: async () => {
      await Promise.all([looker.close(), pool.close()]);
    },
  };
}
