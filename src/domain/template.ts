import { fractionOf } from '../base/backoff.ts';
import { slotNameFromMemberName } from './slot.ts';

/** Every PostgreSQL has it; a copy may be given any other output plugin (FACTS 2). */
export const templatePlugin = 'pgoutput';

/** Slots with such a name are slotkeeper's own: they are never followed, published or offered to a consumer. */
export const templatePrefix = 'slotkeeper_template_';

/**
 * The name of the template slot of a database: the prefix and the database's name where that can be part of a slot's
 * name; otherwise what of it can, with a mark that tells it from others that look the same then.
 */
export function templateName(database: string): string {
  const plain = slotNameFromMemberName(database);
  if (plain === database && templatePrefix.length + plain.length <= 63) return templatePrefix + plain;
  const mark = Math.floor(fractionOf(database) * 0x1_0000_0000)
    .toString(16)
    .padStart(8, '0');
  return `${templatePrefix}${plain.slice(0, 63 - templatePrefix.length - mark.length - 1)}_${mark}`;
}

/**
 * The name of a copy that is kept on a standby while PostgreSQL's own synchronisation replaces the original: what the
 * original held, WAL and catalog rows, is held on for its successor.
 */
export const anchorName = 'slotkeeper_anchor';

export function isTemplateName(slot: string): boolean {
  return slot.startsWith(templatePrefix) || slot === anchorName;
}
