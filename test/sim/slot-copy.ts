import type { CopiedSlot, CopyRequest, CopyResult } from '../../src/domain/local.ts';
import { ServerError } from '../../src/postgres/port.ts';
import type { Job, LinkContext } from './link.ts';
import type { PgCluster } from './pg-cluster.ts';
import type { PgServer } from './pg-server.ts';
import type { LogicalPgSlot } from './pg-slot.ts';
import type { ServerChanges } from './server-changes.ts';

/** A slot as it was read from the primary's disk. */
interface ReadSlot {
  readonly slot: LogicalPgSlot;
  readonly hasSnapshot: boolean;
}

type Phase = 'read' | 'stop' | 'write' | 'start';

/**
 * The file copy, one step at a time so that an agent can die between any two: read everything from the primary, stop,
 * write slot after slot, start. Only when the server runs again is the mark of an unfinished copy gone.
 */
export function copyJob(
  cluster: PgCluster,
  server: PgServer,
  link: LinkContext,
  request: CopyRequest,
  changes: ServerChanges,
): Job<CopyResult> {
  const stepMs = 30;
  const skipped: { name: string; why: string }[] = [];
  const copied: CopiedSlot[] = [];
  let read: ReadSlot[] = [];
  let from: PgServer | null = null;
  let phase: Phase = 'read';
  let stoppedAtMs = 0;
  const source = (): PgServer => {
    const primary = cluster.servers.get(new URL(request.primaryUrl).hostname);
    if (primary?.state !== 'up') throw new ServerError('connection to the primary refused', 'other', null);
    if (primary.role !== 'primary') throw new ServerError('the primary is in recovery', 'other', null);
    return primary;
  };

  const steps: Readonly<Record<Phase, () => { value: CopyResult } | undefined>> = {
    read: () => {
      const primary = source();
      from = primary;
      read = request.slots.flatMap(({ name }) => {
        const slot = primary.logical(name);
        if (slot === undefined || slot.creating || slot.invalidation !== null) {
          skipped.push({ name, why: 'the primary has no such slot, or it is not usable there' });
          return [];
        }
        // Memory is ahead of the file for the confirmed position only.
        const identity = server.nextSlotIdentity();
        // The copy is not PostgreSQL's own, whoever made the slot before its server was promoted.
        const asSaved: LogicalPgSlot = { ...slot, ...slot.saved, identity, active: false, synced: false };
        return [{ slot: asSaved, hasSnapshot: primary.snapshots.has(slot.saved.restart) }];
      });
      if (read.length === 0) return { value: { copied, skipped, downMs: 0 } };
      phase = 'stop';
      return undefined;
    },
    stop: () => {
      changes.stopped(server);
      server.files.copyInterrupted = true;
      server.stop();
      stoppedAtMs = link.time.nowMs();
      for (const name of request.replace) if (server.logical(name) !== undefined) server.slots.delete(name);
      phase = 'write';
      return undefined;
    },
    write: () => {
      const next = read.shift();
      if (next === undefined) {
        phase = 'start';
        return undefined;
      }
      const { slot, hasSnapshot } = next;
      if (server.slots.has(slot.name)) {
        skipped.push({ name: slot.name, why: 'a slot of that name is here already' });
        return undefined;
      }
      if (hasSnapshot) server.snapshots.add(slot.restart);
      server.slots.set(slot.name, slot);
      copied.push({ name: slot.name, restartLsn: slot.restart, snapshot: hasSnapshot ? 'copied' : 'none' });
      if (from !== null) changes.copied(server, slot, from);
      return undefined;
    },
    start: () => {
      if (link.time.nowMs() - stoppedAtMs < 150) return undefined;
      if (server.state === 'down') server.start(link.time.nowMs());
      server.files.copyInterrupted = false;
      return { value: { copied, skipped, downMs: link.time.nowMs() - stoppedAtMs } };
    },
  };
  return {
    everyMs: stepMs,
    limitMs: null,
    timedOut: () => new ServerError('the copy took too long', 'timeout', null),
    begin: () => {
      if (server.state !== 'up') throw new ServerError('connection refused', 'not_running', null);
      if (server.role === 'primary') throw new ServerError('this server is a primary', 'refused', null);
    },
    step: () => steps[phase](),
    end: () => undefined,
  };
}
