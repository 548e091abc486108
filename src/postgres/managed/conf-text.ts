import { signalFilesSince } from './recovery-signal.ts';

/** A line of `postgresql.conf` or `recovery.conf`: a quoted value may be of any type. */
export function settingLine(name: string, value: string): string {
  return `${name} = '${value.replaceAll(/[\\']/g, '$&$&')}'`;
}

/** What a line that `settingLine` wrote says; null = there is none for the setting. */
export function settingIn(text: string, name: string): string | null {
  const lines = text.split('\n').map((line) => /^(\w+) = '(.*)'$/.exec(line));
  return lines.find((line) => line?.[1] === name)?.[2]?.replaceAll(/([\\'])\1/g, '$1') ?? null;
}

/** A keyword of a libpq connection string with its value. */
export function conninfoWord(keyword: string, value: string): string {
  return `${keyword}='${value.replaceAll(/[\\']/g, '\\$&')}'`;
}

/** Settings that were in `recovery.conf` before PostgreSQL 12 and are in no other file there. */
const ofRecovery: ReadonlySet<string> = new Set([
  'archive_cleanup_command',
  'primary_conninfo',
  'primary_slot_name',
  'promote_trigger_file',
  'recovery_end_command',
  'recovery_min_apply_delay',
  'recovery_target',
  'recovery_target_action',
  'recovery_target_inclusive',
  'recovery_target_lsn',
  'recovery_target_name',
  'recovery_target_time',
  'recovery_target_timeline',
  'recovery_target_xid',
  'restore_command',
  'standby_mode',
  'trigger_file',
]);

export function isOfRecovery(name: string): boolean {
  return ofRecovery.has(name.toLowerCase());
}

/** The same settings as another major calls them; what this one does not have any more, or not yet, is left out. */
export function settingsOfMajor(
  settings: Readonly<Record<string, string>>,
  major: number,
): Readonly<Record<string, string>> {
  const entries = Object.entries(settings).flatMap(([name, value]): readonly (readonly [string, string])[] => {
    switch (name.toLowerCase()) {
      case 'wal_keep_segments':
        if (major < 13) return [[name, value]];
        return has(settings, 'wal_keep_size') ? [] : translated('wal_keep_size', keepSizeOf(value));
      case 'wal_keep_size':
        if (major >= 13) return [[name, value]];
        return has(settings, 'wal_keep_segments') ? [] : translated('wal_keep_segments', keepSegmentsOf(value));
      case 'standby_mode':
        return major < signalFilesSince ? [[name, value]] : [];
      case 'trigger_file':
      case 'promote_trigger_file':
        if (major >= 16) return [];
        return [[major < signalFilesSince ? 'trigger_file' : 'promote_trigger_file', value]];
      default:
        return [[name, value]];
    }
  });
  return Object.fromEntries(entries);
}

function has(settings: Readonly<Record<string, string>>, wanted: string): boolean {
  return Object.keys(settings).some((name) => name.toLowerCase() === wanted);
}

/** A value that makes no sense under the one name is none under the other: the server does not get it. */
function translated(name: string, value: string | null): readonly (readonly [string, string])[] {
  return value === null ? [] : [[name, value]];
}

/** Segments of the usual 16 MiB. */
function keepSizeOf(segments: string): string | null {
  return /^\d+$/.test(segments.trim()) ? `${Number(segments) * 16}MB` : null;
}

const megabytesOf: Readonly<Record<string, number>> = { B: 2 ** -20, kB: 2 ** -10, MB: 1, GB: 2 ** 10, TB: 2 ** 20 };

/** Without a unit these are megabytes. */
function keepSegmentsOf(size: string): string | null {
  const [, number = '', unit = 'MB'] = /^(\d+(?:\.\d+)?)\s*([kMGT]?B)?$/.exec(size.trim()) ?? [];
  return number === '' ? null : String(Math.ceil((Number(number) * (megabytesOf[unit] ?? 1)) / 16));
}

/**
 * The text of `postgresql.auto.conf` without these settings; null = it has none of them. PostgreSQL writes each on a line of
 * its own, in lower case.
 */
export function withoutSettings(autoConf: string, names: ReadonlySet<string>): string | null {
  const lines = autoConf.split('\n');
  const left = lines.filter((line) => !names.has((/^\s*([\w.]+)/.exec(line)?.[1] ?? '').toLowerCase()));
  return left.length === lines.length ? null : left.join('\n');
}

/** Settings that only slotkeeper may have set on a standby: from anywhere else they would lead it elsewhere. */
export const settingsOfUpstream: ReadonlySet<string> = new Set(
  [...ofRecovery].filter((name) => name.startsWith('primary_') || name.startsWith('recovery_target')),
);
