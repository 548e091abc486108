import type { Lsn } from '../domain/lsn.ts';
import type { Xid } from '../domain/xid.ts';
import { crc32c } from './crc32c.ts';

/** What `pg_replslot/<slot>/state` says of a logical slot (`ReplicationSlotOnDisk` in PostgreSQL's slot.c). */
export interface SlotState {
  readonly name: string;
  readonly databaseOid: number;
  readonly persistency: 'persistent' | 'ephemeral' | 'temporary';
  readonly catalogXmin: Xid;
  readonly restartLsn: Lsn;
  readonly confirmedFlushLsn: Lsn;
  /** Empty on a physical slot. */
  readonly plugin: string;
  readonly invalidated: boolean;
}

/** The bytes are not a file that a server would start with: a bad slot file at start is a PANIC (FACTS 2). */
export class BadSlotFile extends Error {
  override readonly name = 'BadSlotFile';
}

const slotMagic = 0x0105_1ca1;
const snapshotMagic = 0x51a1_e001;
/** Magic and checksum; the checksum covers what follows them. */
const uncheckedBytes = 8;
const headerBytes = 16;
const nameBytes = 64;

/** Where each major keeps its fields, in bytes from the start of the file; the file ends at the next multiple of 8. */
interface Layout {
  readonly version: number;
  /** Null = the major does not invalidate slots. The cause is a position up to 15, an enumeration from 16. */
  readonly invalidated: { readonly at: number; readonly bytes: 4 | 8 } | null;
  readonly confirmedFlush: number;
  readonly plugin: number;
  /** Whether PostgreSQL's own synchronisation made the slot, one byte; null = the major has none. */
  readonly synced: number | null;
  readonly size: number;
}

function layoutOf(major: number): Layout {
  if (major >= 17) {
    return { version: 5, invalidated: { at: 104, bytes: 4 }, confirmedFlush: 112, plugin: 129, synced: 193, size: 200 };
  }
  if (major === 16) {
    return {
      version: 3,
      invalidated: { at: 104, bytes: 4 },
      confirmedFlush: 112,
      plugin: 129,
      synced: null,
      size: 200,
    };
  }
  if (major >= 14) {
    return {
      version: 2,
      invalidated: { at: 104, bytes: 8 },
      confirmedFlush: 112,
      plugin: 129,
      synced: null,
      size: 200,
    };
  }
  if (major === 13) {
    return {
      version: 2,
      invalidated: { at: 104, bytes: 8 },
      confirmedFlush: 112,
      plugin: 120,
      synced: null,
      size: 184,
    };
  }
  return { version: 2, invalidated: null, confirmedFlush: 104, plugin: 112, synced: null, size: 176 };
}

/**
 * Reads and checks a slot's state file, whole: magic, version, length, checksum, and that each field can be what it says.
 * Little-endian servers only; a file of another kind of machine has another magic. Throws BadSlotFile.
 */
export function parseSlotFile(bytes: Uint8Array, major: number): SlotState {
  const layout = layoutOf(major);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < headerBytes) throw new BadSlotFile(`it has ${bytes.length} bytes, not even a header`);
  expectEqual('magic number', view.getUint32(0, true), slotMagic);
  expectEqual('version', view.getUint32(8, true), layout.version);
  expectEqual('length of the contents', view.getUint32(12, true), layout.size - headerBytes);
  expectEqual('size', bytes.length, layout.size);
  expectEqual('checksum', view.getUint32(4, true), crc32c(bytes.subarray(uncheckedBytes)));
  const { invalidated } = layout;
  return {
    name: nameAt(bytes, 16, 'name'),
    databaseOid: view.getUint32(80, true),
    persistency: persistencyOf(view.getUint32(84, true)),
    catalogXmin: view.getUint32(92, true),
    restartLsn: view.getBigUint64(96, true),
    confirmedFlushLsn: view.getBigUint64(layout.confirmedFlush, true),
    plugin: nameAt(bytes, layout.plugin, 'plugin'),
    invalidated:
      invalidated !== null &&
      (invalidated.bytes === 8
        ? view.getBigUint64(invalidated.at, true) !== 0n
        : view.getUint32(invalidated.at, true) !== 0),
  };
}

/**
 * The state file without the mark of PostgreSQL's own synchronisation, which stays on a slot when its server is promoted: a
 * copy that had it could be moved and dropped by nobody on a standby. `bytes`: a file that parseSlotFile accepts.
 */
export function withoutSyncedMark(bytes: Buffer, major: number): Buffer {
  const { synced } = layoutOf(major);
  if (synced === null || bytes[synced] === 0) return bytes;
  const copy = Buffer.from(bytes);
  copy[synced] = 0;
  copy.writeUInt32LE(crc32c(copy.subarray(uncheckedBytes)), 4);
  return copy;
}

/**
 * Checks a serialized snapshot (`SnapBuildOnDisk` in PostgreSQL's snapbuild.c) as far as it is the same on all majors:
 * magic, length and checksum. Throws BadSlotFile.
 */
export function checkSnapshotFile(bytes: Uint8Array): void {
  if (bytes.length < headerBytes) throw new BadSlotFile(`the snapshot has ${bytes.length} bytes, not even a header`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  expectEqual("snapshot's magic number", view.getUint32(0, true), snapshotMagic);
  expectEqual("snapshot's length", view.getUint32(12, true), bytes.length);
  expectEqual("snapshot's checksum", view.getUint32(4, true), crc32c(bytes.subarray(uncheckedBytes)));
}

function expectEqual(what: string, found: number, expected: number): void {
  if (found === expected) return;
  throw new BadSlotFile(`its ${what} is ${hex(found)}, not ${hex(expected)}`);
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

function persistencyOf(value: number): SlotState['persistency'] {
  const persistency = (['persistent', 'ephemeral', 'temporary'] as const)[value];
  if (persistency === undefined) throw new BadSlotFile(`its persistency is ${value}, not 0, 1 or 2`);
  return persistency;
}

/** A `NameData`: 64 bytes, ended by a zero. */
function nameAt(bytes: Uint8Array, start: number, what: string): string {
  const field = bytes.subarray(start, start + nameBytes);
  const end = field.indexOf(0);
  if (end === -1) throw new BadSlotFile(`its ${what} has no end`);
  return Buffer.from(field.subarray(0, end)).toString('utf8');
}
