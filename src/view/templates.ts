import { formatLsn } from '../domain/lsn.ts';
import type { Lsn } from '../domain/lsn.ts';
import type { ServerLook } from '../domain/server.ts';
import type { LogicalSlot } from '../domain/slot.ts';
import { isTemplateName, templateName } from '../domain/template.ts';
import { majorOf } from '../domain/version.ts';
import { methodsOf, templatesSince } from './method.ts';
import type { FollowedSlot } from './select.ts';
import { configOf, findSlot, followedSlots, freshLook, logicalSlots } from './select.ts';
import type { View } from './view.ts';
import { excludedBecause } from './exclusion.ts';

/**
 * The databases in which this standby is to have a template slot: those with a followed slot, those in which one is declared
 * (so that the template is there before the slot is), and those that the configuration names; sorted. PostgreSQL's own
 * synchronisation is served by it, too: it takes a slot over only where something on the standby holds what that slot needs
 * (FACTS 3), and without a template nothing does for a slot whose consumer is away.
 */
export function templateDatabases(view: View, look: ServerLook): readonly string[] {
  const config = configOf(view);
  if (look.role !== 'standby' || majorOf(look.versionNum) < templatesSince) return [];
  if (config.failoverSlots.method === 'file_copy' || excludedBecause(view) !== null) return [];
  const wanted = new Set(config.failoverSlots.templateDatabases);
  const method = methodsOf(view, look);
  for (const slot of followedSlots(view) ?? []) if (method(slot) !== 'file_copy') wanted.add(slot.report.database);
  for (const declared of config.slots.values()) if (declared.type === 'logical') wanted.add(declared.database);
  return [...wanted].filter((database) => look.databases.includes(database)).sort();
}

/** The template slot of a database on this server, whatever state it is in. */
export function templateIn(look: ServerLook, database: string): LogicalSlot | null {
  const slot = findSlot(look, templateName(database));
  return slot?.type === 'logical' && slot.database === database && !slot.temporary ? slot : null;
}

export function templateSlots(look: ServerLook): readonly LogicalSlot[] {
  return logicalSlots(look).filter((slot) => isTemplateName(slot.name) && !slot.temporary);
}

/** Why a template cannot be used any more and has to be made anew; null = it can. */
export function templateDamage(template: LogicalSlot): string | null {
  if (template.invalidation !== null) return `PostgreSQL invalidated it: ${template.invalidation}`;
  if (template.walStatus === 'lost') return 'PostgreSQL invalidated it: wal_removed';
  return template.walOnDisk === false ? 'the WAL at its restart position is not on this standby' : null;
}

export type TemplateAnswer =
  | { readonly kind: 'usable'; readonly template: LogicalSlot; readonly position: Lsn }
  /** It is being made or renewed: that takes as long as the oldest transaction on the primary. */
  | { readonly kind: 'making'; readonly why: string }
  /** The slot is older than the template: a copy would begin after changes that its consumer has not got. */
  | { readonly kind: 'newer'; readonly why: string };

/** Whether the slot can be made from this standby's template now, or what that waits for. */
export function templateFor(look: ServerLook, followed: FollowedSlot): TemplateAnswer {
  const { database } = followed.report;
  const template = templateIn(look, database);
  if (template === null) return { kind: 'making', why: `the template slot of database ${database} is not here yet` };
  const damage = templateDamage(template);
  if (damage !== null) return { kind: 'making', why: `the template slot ${template.name} is made anew: ${damage}` };
  const position = template.confirmedFlushLsn;
  if (position === null) {
    return {
      kind: 'making',
      why: `the template slot ${template.name} is being made, as soon as the transactions that run on the primary are known here`,
    };
  }
  if (position > followed.position) {
    return {
      kind: 'newer',
      why: `it is older than the template slot ${template.name}: it is made when its consumer, now at ${formatLsn(followed.position)}, has passed ${formatLsn(position)}`,
    };
  }
  return { kind: 'usable', template, position };
}

/** The template slots that can be used now: database → position. What the member key says of them. */
export function usableTemplates(view: View): ReadonlyMap<string, Lsn> {
  const look = freshLook(view);
  const usable = new Map<string, Lsn>();
  if (look?.role !== 'standby') return usable;
  for (const template of templateSlots(look)) {
    if (template.confirmedFlushLsn === null || templateDamage(template) !== null) continue;
    if (template.name === templateName(template.database)) usable.set(template.database, template.confirmedFlushLsn);
  }
  return usable;
}

/**
 * Whether something on this standby waits for the primary to log which transactions run: a template that is being made, or
 * a slot whose restart position must move before it is known to decode right (FACTS 2).
 */
export function waitsForSnapshot(view: View): boolean {
  const look = freshLook(view);
  if (look?.role !== 'standby' || majorOf(look.versionNum) < templatesSince) return false;
  const isTemplateMade = (database: string): boolean => templateIn(look, database)?.confirmedFlushLsn != null;
  if (!templateDatabases(view, look).every(isTemplateMade)) return true;
  return (followedSlots(view) ?? []).some((slot) => {
    const local = findSlot(look, slot.name);
    if (local?.type !== 'logical' || local.synced) return false;
    return view.ledger?.slots.get(slot.name)?.decodable === false;
  });
}
