import type { Credentials } from '../../postgres/settings.ts';
import { choice, object, optional, secret, text, unsupported, wrong, type Field } from '../field.ts';

const file = optional(text('a file name'), null);
const notYet = (what: string): Field<null> => unsupported(`slotkeeper's connections do not have ${what} yet`);

const declaration = object(
  {
    username: optional(text('the name of a database role'), null),
    password: optional(secret(text('a text')), null),
    sslmode: optional(choice('disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'), 'prefer'),
    sslcert: file,
    sslkey: file,
    sslrootcert: file,
    sslpassword: notYet('keys with a password (sslpassword)'),
    sslcrl: notYet('revocation lists (sslcrl)'),
    sslcrldir: notYet('revocation lists (sslcrldir)'),
    channel_binding: notYet('channel_binding'),
  },
  'tell',
);

/** One role below `postgresql.authentication`, without the password file, which all roles share. */
export const credentials: Field<Omit<Credentials, 'passfile'>> = (value, place) => {
  const read = declaration(value, place);
  if (read === wrong) return wrong;
  const ssl = { mode: read.sslmode, rootCert: read.sslrootcert, cert: read.sslcert, key: read.sslkey };
  return { user: read.username ?? 'postgres', password: read.password, ssl };
};
