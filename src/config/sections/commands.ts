import type { CommandLine, ControlSettings } from '../../postgres/settings.ts';
import { child, isAbsent, object, optional, refuse, unused, wrong, type Field } from '../field.ts';

const allowed = 'a shell command, or a list: program, arguments';

/** A text is a line for the shell; a list is a program and its arguments, without a shell. */
const command: Field<CommandLine> = (value, place) => {
  if (typeof value === 'string' && value.trim() !== '') return ['/bin/sh', '-c', value];
  if (!Array.isArray(value)) return refuse(place, 'type', value, allowed);
  const words = value.filter((word): word is string => typeof word === 'string');
  const [program = '', ...rest] = words;
  return program === '' || words.length < value.length ? refuse(place, 'value', value, allowed) : [program, ...rest];
};

// A file copy stops, writes and starts; nothing restarts in one go.
const declaration = object(
  { start: optional(command, null), stop: optional(command, null), restart: unused },
  'refuse',
);

/**
 * `postgresql.commands`, slotkeeper's own: for servers that are not started by `pg_ctl`, such as systemd units. Start
 * and stop come together.
 */
export const commandsSection: Field<ControlSettings | null> = (value, place) => {
  if (isAbsent(value)) return null;
  const read = declaration(value, place);
  if (read === wrong) return wrong;
  const { start, stop } = read;
  const together = `${allowed}; start and stop are given together`;
  if (start === null) return refuse(child(place, 'start'), 'missing', null, together);
  if (stop === null) return refuse(child(place, 'stop'), 'missing', null, together);
  return { kind: 'commands', start, stop };
};
