import { resolve } from 'node:path';
import { templatePrefix } from '../domain/template.ts';
import { parsed, text, wrong, type Field } from './field.ts';

/** A segment of a Consul key; it also stands in URLs and on terminals. */
export function segment(what: string): Field<string> {
  const allowed = `${what}: 1 to 128 characters without slashes, control characters and spaces at the ends`;
  return text(allowed, (raw) => /^(?!\s)[^/\p{Cc}]{1,128}(?<!\s)$/u.test(raw) && raw !== '.' && raw !== '..');
}

/** Names separated by slashes; slashes around them do not count, as in Patroni's `/service/`. */
export const namespace: Field<string> = (value, place) => {
  const read = text('names separated by slashes', (raw) => !/\p{Cc}/u.test(raw))(value, place);
  return read === wrong
    ? wrong
    : read
        .split('/')
        .filter((part) => part !== '')
        .join('/');
};

/** Why a slot cannot be declared or followed under such a name. */
export const reservedSlotName = `names that begin with ${templatePrefix} are slotkeeper's own`;

/** A path; one that does not begin at the root counts from where the agent was started, as in Patroni. */
export const filePath: Field<string> = parsed('a path', (raw) =>
  raw === '' || raw.includes('\0') ? undefined : resolve(raw),
);
