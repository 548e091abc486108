import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { describeError } from '../base/errors.ts';
import type { Ledger } from '../domain/local.ts';
import type { AlterableSetting } from '../domain/server.ts';
import { type Lsn, formatLsn, parseLsn } from '../domain/lsn.ts';
import type { PlacedSlot } from './copy-staging.ts';
import { type DataDirectory, ownershipOf } from './data-directory.ts';
import { isMissing, replaceFile } from './durable-file.ts';
import { LedgerError } from './port.ts';

/** Beside the data, so that whatever replaces the data replaces the memory of it. */
export const ledgerFileName = 'slotkeeper.state.json';

const lsn = z.string().transform((text, context): Lsn => {
  const value = parseLsn(text);
  if (value !== undefined) return value;
  context.addIssue({ code: 'custom', message: 'not a WAL position' });
  return z.NEVER;
});

const alterable = [
  'sync_replication_slots',
  'primary_slot_name',
  'synchronized_standby_slots',
  'pg_failover_slots.standby_slot_names',
  'pg_failover_slots.standby_slots_min_confirmed',
] as const satisfies readonly AlterableSetting[];

/** What was not remembered by earlier versions has a default: their file is still good. */
const ledgerFile = z.object({
  member: z.string(),
  systemIdentifier: z.string(),
  feedbackSet: z.boolean(),
  settingsSet: z.array(z.enum(alterable)).default([]),
  slots: z.array(
    z.object({
      name: z.string(),
      made: z.boolean(),
      decodable: z.boolean(),
      firstRestartLsn: lsn.nullable(),
      incarnation: lsn.nullable(),
      identity: z.string().nullable().default(null),
    }),
  ),
});

/** Whose ledger is asked for. */
export type LedgerOwner = Pick<Ledger, 'member' | 'systemIdentifier'>;

export function emptyLedger({ member, systemIdentifier }: LedgerOwner): Ledger {
  return { member, systemIdentifier, slots: new Map(), feedbackSet: false, settingsSet: [] };
}

/** Empty when there is no file, or one of another cluster. Throws LedgerError when the file cannot be read. */
export async function readLedgerFile(directory: DataDirectory, owner: LedgerOwner): Promise<Ledger> {
  const path = join(directory.root, ledgerFileName);
  try {
    return ledgerOf(decodeLedger(await readFile(path, 'utf8')), owner);
  } catch (error) {
    if (isMissing(error)) return emptyLedger(owner);
    throw new LedgerError(`${path} cannot be read: ${describeError(error)}`, emptyLedger(owner), { cause: error });
  }
}

/**
 * What a file says of this server. Another member's came with a base backup or a rewind, which bring no slots along, but
 * what ALTER SYSTEM set: slotkeeper's changes are its own here, too. Not primary_slot_name, which whoever made the copy sets
 * for this server.
 */
export function ledgerOf(file: Ledger, owner: LedgerOwner): Ledger {
  if (file.systemIdentifier !== owner.systemIdentifier) return emptyLedger(owner);
  if (file.member === owner.member) return file;
  return { ...emptyLedger(owner), settingsSet: file.settingsSet.filter((name) => name !== 'primary_slot_name') };
}

/**
 * With what an earlier agent would have remembered of the slots that it copied, had it not died first: each came with its
 * snapshot, or the primary had none either, so decoding starts here as it would there.
 */
export function withPlacedSlots(ledger: Ledger, placed: readonly PlacedSlot[]): Ledger {
  const slots = new Map(ledger.slots);
  for (const { name, restartLsn } of placed) {
    const { made = false, incarnation = null } = slots.get(name) ?? {};
    slots.set(name, { made, decodable: true, firstRestartLsn: restartLsn, incarnation, identity: null });
  }
  return { ...ledger, slots };
}

/** Replaces the file whole; on disk when this resolves. */
export async function writeLedgerFile(directory: DataDirectory, ledger: Ledger): Promise<void> {
  await replaceFile(join(directory.root, ledgerFileName), encodeLedger(ledger), await ownershipOf(directory));
}

export function encodeLedger(ledger: Ledger): string {
  const slots = [...ledger.slots].map(([name, slot]) => ({
    name,
    made: slot.made,
    decodable: slot.decodable,
    firstRestartLsn: textOf(slot.firstRestartLsn),
    incarnation: textOf(slot.incarnation),
    identity: slot.identity,
  }));
  return `${JSON.stringify({ ...ledger, slots }, null, 2)}\n`;
}

/** Throws when the text is not a ledger; the message names the first place that is wrong. */
export function decodeLedger(text: string): Ledger {
  const parsed = ledgerFile.safeParse(JSON.parse(text));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new Error(`${issue?.path.join('.') ?? '?'}: ${issue?.message ?? 'not a ledger'}`);
  }
  return { ...parsed.data, slots: new Map(parsed.data.slots.map(({ name, ...slot }) => [name, slot])) };
}

function textOf(position: Lsn | null): string | null {
  return position === null ? null : formatLsn(position);
}
