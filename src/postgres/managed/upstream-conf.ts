import { join } from 'node:path';
import type { Upstream } from '../../domain/lead.ts';
import type { ServerPlan } from '../../domain/managed.ts';
import { upstreamOf } from '../conninfo.ts';
import { ownershipOf } from '../data-directory.ts';
import { replaceFile } from '../durable-file.ts';
import type { Credentials } from '../settings.ts';
import {
  conninfoWord,
  isOfRecovery,
  settingIn,
  settingLine,
  settingsOfMajor,
  settingsOfUpstream,
  withoutSettings,
} from './conf-text.ts';
import type { ManagedWork } from './managed-work.ts';
import { passfileOf, writePgpass } from './pgpass.ts';
import { ownFiles } from './place.ts';
import { recoveryConf, removeRecoverySignals, signalFilesSince, signalStandby } from './recovery-signal.ts';
import { textOf } from './server-conf.ts';
import { giveTimelinesBack } from './taken-timelines.ts';

/** Makes a standby of the directory, from the next start on. */
export async function writeStandby(work: ManagedWork, plan: ServerPlan, major: number): Promise<void> {
  await giveTimelinesBack(work.place.directory);
  await writeUpstream(work, plan, major);
  await signalStandby(work.place.directory, major);
}

/**
 * Writes what a standby is to read: where it streams from, and what else there is to say to a standby. Resolves to whether
 * anything was changed.
 */
export function writeUpstream(work: ManagedWork, plan: ServerPlan, major: number): Promise<boolean> {
  return work.alone(() => writeFiles(work, plan, major));
}

/**
 * Brings what else a standby reads up to date (its account, `recovery_conf`), where it streams from where the plan says
 * already. Where else it is to stream from is `follow`'s to write.
 */
export function refreshUpstream(work: ManagedWork, plan: ServerPlan, major: number): Promise<boolean> {
  return work.alone(async () => {
    await writePgpass(work);
    const text = await textOf(standbyPath(work, major));
    return text !== null && streamsAsPlanned(text, plan) && writeFiles(work, plan, major);
  });
}

function streamsAsPlanned(text: string, { upstream }: ServerPlan): boolean {
  if (upstream === null) return false;
  const { host, port } = upstreamOf(settingIn(text, 'primary_conninfo') ?? '');
  const isSame = host === upstream.host && port === upstream.port;
  return isSame && (settingIn(text, 'primary_slot_name') ?? '') === (upstream.slot ?? '');
}

async function writeFiles(work: ManagedWork, plan: ServerPlan, major: number): Promise<boolean> {
  await writePgpass(work);
  const cleaned = await cleanAutoConf(work, major);
  const lines = Object.entries(standbySettings(work, plan, major)).map(([name, value]) => settingLine(name, value));
  const written = await write(work, standbyPath(work, major), [ownHeader, ...lines]);
  return cleaned || written;
}

/** Makes a primary of the directory, from the next start on. */
export function writePrimary(work: ManagedWork, major: number): Promise<void> {
  return work.alone(async () => {
    if (major >= signalFilesSince) await write(work, upstreamPath(work), [ownHeader]);
    await cleanAutoConf(work, major);
    await removeRecoverySignals(work.place.directory);
  });
}

/** How `role` reaches `source`, as libpq takes it. Its password is never part of it. */
export function conninfoOf(
  work: ManagedWork,
  source: Pick<Upstream, 'host' | 'port'>,
  role: Credentials,
  more: Readonly<Record<string, string>>,
): string {
  const { ssl } = role;
  const words: Readonly<Record<string, string | null>> = {
    user: role.user,
    passfile: passfileOf(work, role),
    host: source.host,
    port: String(source.port),
    sslmode: ssl.mode,
    sslcert: ssl.cert,
    sslkey: ssl.key,
    sslrootcert: ssl.rootCert,
    ...more,
  };
  return Object.entries(words)
    .flatMap(([keyword, value]) => (value === null ? [] : [conninfoWord(keyword, value)]))
    .join(' ');
}

/** The role that streams and copies. */
export function replicationRole({ settings }: Pick<ManagedWork, 'settings'>): Credentials {
  return settings.replication ?? settings.credentials;
}

const ownHeader = '# Written by slotkeeper; what is changed here is lost.';

function upstreamPath({ place }: ManagedWork): string {
  return join(place.configDir, ownFiles.upstream);
}

function standbyPath(work: ManagedWork, major: number): string {
  return major >= signalFilesSince ? upstreamPath(work) : join(work.place.directory.root, recoveryConf);
}

function standbySettings(work: ManagedWork, plan: ServerPlan, major: number): Readonly<Record<string, string>> {
  const { settings } = work;
  const { upstream } = plan;
  const given = { ...(major < signalFilesSince ? ofRecovery(plan.parameters) : {}), ...settings.recoveryConf };
  const kept = Object.entries(given).filter(([name]) => !settingsOfUpstream.has(name.toLowerCase()));
  // PostgreSQL refuses a standby that has more than one end to recover to, and stops at one.
  const noTarget = major < signalFilesSince ? { standby_mode: 'on' } : noRecoveryTarget;
  const stream =
    upstream === null
      ? { primary_conninfo: '' }
      : {
          primary_conninfo: conninfoOf(work, upstream, replicationRole(work), {
            application_name: settings.member,
            // PostgreSQL's own slot synchronisation connects to it; a stream does not look at it.
            dbname: settings.address.database,
          }),
        };
  const all = {
    ...Object.fromEntries(kept),
    ...noTarget,
    recovery_target_timeline: 'latest',
    ...stream,
    primary_slot_name: upstream?.slot ?? '',
  };
  const ofMajor = Object.entries(settingsOfMajor(all, major));
  // `recovery.conf` takes no empty values.
  return Object.fromEntries(ofMajor.filter(([, value]) => major >= signalFilesSince || value !== ''));
}

const noRecoveryTarget = {
  recovery_target: '',
  recovery_target_lsn: '',
  recovery_target_name: '',
  recovery_target_time: '',
  recovery_target_xid: '',
} as const;

function ofRecovery(parameters: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(parameters).filter(([name]) => isOfRecovery(name)));
}

/**
 * What ALTER SYSTEM has written wins over every other file. Taken out of the file itself: a standby that does not accept
 * connections yet may need another upstream before it can. Below 12 no setting of recovery can stand there.
 */
async function cleanAutoConf(work: ManagedWork, major: number): Promise<boolean> {
  if (major < signalFilesSince) return false;
  const path = join(work.place.directory.root, 'postgresql.auto.conf');
  const text = await textOf(path);
  const cleaned = text === null ? null : withoutSettings(text, settingsOfUpstream);
  if (cleaned === null) return false;
  await replaceFile(path, cleaned, await ownershipOf(work.place.directory));
  return true;
}

async function write(work: ManagedWork, path: string, lines: readonly string[]): Promise<boolean> {
  const text = `${lines.join('\n')}\n`;
  if ((await textOf(path)) === text) return false;
  await replaceFile(path, text, await ownershipOf(work.place.directory));
  return true;
}
