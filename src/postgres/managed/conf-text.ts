import { signalFilesSince } from './recovery-signal.ts';

/** A line of `postgresql.conf` or `recovery.conf`: a quoted value may be of any type. */
export function settingLine(name: string, value: string): string {
  return `${name} = '${value.replaceAll(/[\\']/g, '$&$&')}'`;
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
        return major < 13 ? [[name, value]] : ownKeepSize(settings) ? [] : [['wal_keep_size', keepSizeOf(value)]];
      case 'wal_keep_size':
        return major >= 13 ? [[name, value]] : [['wal_keep_segments', keepSegmentsOf(value)]];
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

function ownKeepSize(settings: Readonly<Record<string, string>>): boolean {
  return Object.keys(settings).some((name) => name.toLowerCase() === 'wal_keep_size');
}

/** Segments of the usual 16 MiB. */
function keepSizeOf(segments: string): string {
  return /^\d+$/.test(segments) ? `${Number(segments) * 16}MB` : segments;
}

/** Without a unit these are megabytes. */
function keepSegmentsOf(size: string): string {
  const [, number = '', unit = 'MB'] = /^(\d+)\s*(MB|GB|TB)?$/.exec(size.trim()) ?? [];
  const megabytes = Number(number) * { MB: 1, GB: 1_024, TB: 1_048_576 }[unit as 'MB' | 'GB' | 'TB'];
  return number === '' ? size : String(Math.ceil(megabytes / 16));
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
