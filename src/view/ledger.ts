import type { Outcome } from '../domain/action.ts';
import type { LogicalSlotReport } from '../domain/cluster.ts';
import type { Ledger, LedgerSlot } from '../domain/local.ts';
import type { ServerLook } from '../domain/server.ts';
import type { LogicalSlot } from '../domain/slot.ts';
import { currentStatus } from './select.ts';
import type { View } from './view.ts';

const unknownSlot: LedgerSlot = { made: false, decodable: false, firstRestartLsn: null, incarnation: null };

/** The ledger of a server of which nothing is remembered. */
export function emptyLedger(member: string, systemIdentifier: string): Ledger {
  return { member, systemIdentifier, slots: new Map(), feedbackSet: false };
}

/**
 * What a look proves about decoding from each logical slot (FACTS 2): a slot on a primary was made or used there; on a
 * standby the serialized snapshot on disk, or a restart position that has moved on this server, is the proof. Once
 * proved it stays so, since PostgreSQL's own decoding goes on from there. `isTouched` names slots that an action changed
 * after the look began: the look says nothing of them. `reports` is what the leader says of the primary's slots, null
 * when that is not known: a copy counts as made by slotkeeper when the slot on the primary does.
 */
export function ledgerAfterLook(
  ledger: Ledger | null,
  look: ServerLook,
  isTouched: (name: string) => boolean,
  reports: ReadonlyMap<string, LogicalSlotReport> | null,
): Ledger | null {
  if (ledger === null) return null;
  const slots = new Map<string, LedgerSlot>();
  for (const slot of look.slots) {
    const before = ledger.slots.get(slot.name) ?? unknownSlot;
    if (slot.type === 'physical') {
      if (before.made) slots.set(slot.name, before);
      continue;
    }
    const made = look.role === 'standby' ? (reports?.get(slot.name)?.made ?? before.made) : before.made;
    slots.set(slot.name, isTouched(slot.name) ? before : { ...provenBy(look, slot, before), made });
  }
  for (const [name, before] of ledger.slots) if (!slots.has(name) && isTouched(name)) slots.set(name, before);
  return sameSlots(ledger.slots, slots) ? ledger : { ...ledger, slots };
}

function provenBy(look: ServerLook, slot: LogicalSlot, before: LedgerSlot): LedgerSlot {
  const first = before.firstRestartLsn ?? slot.restartLsn;
  const moved = first !== null && slot.restartLsn !== null && slot.restartLsn > first;
  const decodable = before.decodable || look.role === 'primary' || slot.snapshotOnDisk === true || moved;
  return { ...before, decodable, firstRestartLsn: first };
}

/** What an action that was done leaves in the ledger. */
export function ledgerAfterOutcome(view: View, outcome: Extract<Outcome, { kind: 'done' }>): Ledger | null {
  const { ledger } = view;
  if (ledger === null) return null;
  const { action, result } = outcome.done;
  switch (action.kind) {
    case 'create_logical_slot':
    case 'create_physical_slot': {
      // It was planned because the slot was not there. The newest look may show it already: making one takes as long
      // as the oldest transaction.
      return withSlot(ledger, action.slot, {
        ...unknownSlot,
        made: true,
        decodable: action.kind === 'create_logical_slot',
      });
    }
    case 'copy_slots': {
      const reports = currentStatus(view.consul.keys)?.extras?.logical;
      const copied = result !== null && typeof result === 'object' && 'copied' in result ? result.copied : [];
      return copied.reduce((next, slot) => {
        const report = reports?.get(slot.name);
        return withSlot(next, slot.name, {
          made: report?.made ?? false,
          // Either its snapshot came with it, or the primary has none there: decoding starts as it would there.
          decodable: true,
          firstRestartLsn: slot.restartLsn,
          incarnation: report?.incarnation ?? null,
        });
      }, ledger);
    }
    case 'drop_slot': {
      if (result !== true) return ledger;
      const slots = new Map(ledger.slots);
      slots.delete(action.slot);
      return { ...ledger, slots };
    }
    case 'set_feedback':
      return { ...ledger, feedbackSet: action.mode === 'on' };
    default:
      return ledger;
  }
}

function withSlot(ledger: Ledger, name: string, slot: LedgerSlot): Ledger {
  return { ...ledger, slots: new Map(ledger.slots).set(name, slot) };
}

function sameSlots(a: ReadonlyMap<string, LedgerSlot>, b: ReadonlyMap<string, LedgerSlot>): boolean {
  if (a.size !== b.size) return false;
  for (const [name, slot] of a) {
    const other = b.get(name);
    if (
      other?.made !== slot.made ||
      other.decodable !== slot.decodable ||
      other.firstRestartLsn !== slot.firstRestartLsn ||
      other.incarnation !== slot.incarnation
    ) {
      return false;
    }
  }
  return true;
}
