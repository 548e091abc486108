import type { ProgramOption } from '../postgres/managed/settings.ts';
import type { CommandLine } from '../postgres/settings.ts';
import { commandLine } from './command-line.ts';
import {
  bool,
  child,
  isAbsent,
  isMap,
  optional,
  ownValue,
  refuse,
  refuseSection,
  wrong,
  type Field,
  type Place,
} from './field.ts';

/** A script of the operator, with what its section says. */
export interface Script<Flag extends string> {
  readonly command: CommandLine;
  readonly options: readonly ProgramOption[];
  /** What slotkeeper reads for itself, by its name; false where nothing is said. */
  readonly flags: Readonly<Record<Flag, boolean>>;
}

/**
 * The section of a bootstrap or replica method as Patroni takes it: `command`, flags for the agent, and anything else is
 * handed to the command as `--name=value`. `fallback` is the command where none is given; null = one must be. Options may
 * be passwords, and are never shown.
 */
export function script<Flag extends string>(
  flags: readonly Flag[],
  others: readonly string[],
  fallback: string | null,
): Field<Script<Flag>> {
  return (value, place) => {
    if (!isAbsent(value) && !isMap(value)) return refuseSection(place, value, 'an object with command');
    const section = value ?? {};
    const command = commandLine(ownValue(section, 'command') ?? fallback, child(place, 'command'));
    const read = flags.map(
      (flag) => [flag, optional(bool, false)(ownValue(section, flag), child(place, flag))] as const,
    );
    const known: readonly string[] = ['command', ...flags, ...others];
    const given = Object.entries(section).filter(([name, it]) => !known.includes(name) && !isAbsent(it));
    const options = given.map(([name, it]) => option(name, it, child(place, name)));
    if (command === wrong || read.some(([, it]) => it === wrong) || !areRight(options)) return wrong;
    return { command, options, flags: Object.fromEntries(read) as Record<Flag, boolean> };
  };
}

function option(name: string, value: unknown, place: Place): ProgramOption | typeof wrong {
  const allowed = 'an option for the command: a name and a text, a number, true or false';
  if (!/^[A-Za-z][\w-]*$/.test(name)) return refuse(place, 'value', name, allowed);
  const isScalar = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
  return isScalar ? { name, value: String(value) } : refuse({ ...place, secret: true }, 'type', value, allowed);
}

function areRight(options: readonly (ProgramOption | typeof wrong)[]): options is readonly ProgramOption[] {
  return options.every((it) => it !== wrong);
}
