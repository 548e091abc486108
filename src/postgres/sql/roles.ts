import { z } from 'zod';
import { type Statement, nothing, oneRow } from '../statement.ts';
import { identifier, literal } from './quote.ts';

export interface RoleToMake {
  readonly name: string;
  /** Null = left as it is. */
  readonly password: string | null;
  /** Words of CREATE ROLE. LOGIN is added unless NOLOGIN is among them. */
  readonly options: readonly string[];
}

export function roleExists(name: string): Statement<boolean> {
  return {
    verb: `look for role ${name}`,
    text: 'SELECT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = $1) AS there',
    values: [name],
    read: (rows) => oneRow(z.object({ there: z.boolean() }))(rows).there,
  };
}

/** The password stands in the text: only on a connection whose statements are kept secret. */
export function createOrAlterRole(role: RoleToMake, exists: boolean): Statement<null> {
  const canLogin = !role.options.some((option) => option.toUpperCase() === 'NOLOGIN');
  const words = [
    ...role.options,
    ...(canLogin ? ['LOGIN'] : []),
    ...(role.password === null ? [] : [`PASSWORD ${literal(role.password)}`]),
  ];
  return {
    verb: `make role ${role.name}`,
    text: `${exists ? 'ALTER' : 'CREATE'} ROLE ${identifier(role.name)} ${words.join(' ')}`,
    values: [],
    read: nothing,
  };
}

/** What pg_rewind calls on its source (PostgreSQL manual, pg_rewind), for a role that is no superuser. */
export function grantRewind(role: string): readonly Statement<null>[] {
  const functions = [
    'pg_ls_dir(text, boolean, boolean)',
    'pg_stat_file(text, boolean)',
    'pg_read_binary_file(text)',
    'pg_read_binary_file(text, bigint, bigint, boolean)',
  ];
  return functions.map((name) => ({
    verb: `let ${role} rewind`,
    text: `GRANT EXECUTE ON FUNCTION pg_catalog.${name} TO ${identifier(role)}`,
    values: [],
    read: nothing,
  }));
}
