import { readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ServerPlan } from '../../domain/managed.ts';
import { ownershipOf } from '../data-directory.ts';
import { isMissing, replaceFile, syncDirectory, writeSynced } from '../durable-file.ts';
import { isOfRecovery, settingLine, settingsOfMajor } from './conf-text.ts';
import type { ManagedWork } from './managed-work.ts';
import { ownFiles } from './place.ts';
import { signalFilesSince } from './recovery-signal.ts';
import { refusedSettings } from './refused-settings.ts';

const mainName = 'postgresql.conf';
const baseName = 'postgresql.base.conf';
const hbaName = 'pg_hba.conf';
const identName = 'pg_ident.conf';
const ownHeader =
  '# Written by slotkeeper; what is changed here is lost. See postgresql.parameters in its configuration.';

export interface WrittenConf {
  /** Whether a file was changed, so that a server that runs has to read it. */
  readonly changed: boolean;
  /** Settings that this PostgreSQL does not know, or not with such a value: they were left out. */
  readonly refused: readonly string[];
}

/**
 * Writes `postgresql.conf`, `pg_hba.conf` and `pg_ident.conf` as planned, each only where it differs. What was in
 * `postgresql.conf` before slotkeeper came goes to `postgresql.base.conf`, which the new one includes. A setting that would
 * keep the server from starting is left out: a slip in the cluster's configuration must not cost the cluster.
 */
export function writeServerConf(
  work: ManagedWork,
  plan: ServerPlan,
  major: number,
  signal: AbortSignal,
): Promise<WrittenConf> {
  return work.alone(() => writeFiles(work, plan, major, signal));
}

async function writeFiles(
  work: ManagedWork,
  plan: ServerPlan,
  major: number,
  signal: AbortSignal,
): Promise<WrittenConf> {
  const { configDir } = work.place;
  await keepOriginal(work);
  const write = async (name: string, text: string): Promise<boolean> => {
    const path = join(configDir, name);
    if ((await textOf(path)) === text) return false;
    await replaceFile(path, text, await ownershipOf(work.place.directory));
    return true;
  };
  const changes: boolean[] = [];
  const { hba, ident } = plan;
  if (hba !== null) changes.push(await write(hbaName, fileOf(hba)));
  if (ident !== null) changes.push(await write(identName, fileOf(ident)));
  let refused: readonly string[] = [];
  let text = serverConf(work, plan, major, refused);
  const same = text === (await textOf(join(configDir, mainName)));
  // It says of one kind of slip at a time: values are looked at only when all names are known.
  for (let found = same ? [] : await refusedBy(work, text, signal); found.length > 0;) {
    refused = [...refused, ...found];
    text = serverConf(work, plan, major, refused);
    found = (await refusedBy(work, text, signal)).filter((name) => !refused.includes(name));
  }
  changes.push(await write(mainName, text));
  return { changed: changes.includes(true), refused };
}

/** The options with which the server is started: where its configuration is, if that is not with the data. */
export function configOptions({ place }: Pick<ManagedWork, 'place'>): readonly string[] {
  return place.configDir === place.directory.root ? [] : ['-c', `config_file=${join(place.configDir, mainName)}`];
}

function serverConf(
  { settings, place }: ManagedWork,
  plan: ServerPlan,
  major: number,
  refused: readonly string[],
): string {
  const wanted = settingsOfMajor(
    {
      ...(plan.hba === null ? {} : { hba_file: join(place.configDir, hbaName) }),
      ...(plan.ident === null ? {} : { ident_file: join(place.configDir, identName) }),
      ...plan.parameters,
      ...(plan.synchronousStandbyNames === null ? {} : { synchronous_standby_names: plan.synchronousStandbyNames }),
    },
    major,
  );
  const taken = Object.entries(wanted)
    .filter(([name]) => !refused.includes(name.toLowerCase()) && (major >= signalFilesSince || !isOfRecovery(name)))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return fileOf([
    ownHeader,
    `include ${quoted(settings.customConf ?? baseName)}`,
    ...taken.map(([name, value]) => settingLine(name, value)),
    ...refused.map((name) => `# left out, because PostgreSQL ${major} does not take it: ${name}`),
    ...(major >= signalFilesSince ? [`include_if_exists ${quoted(ownFiles.upstream)}`] : []),
  ]);
}

/** Asks PostgreSQL itself, by a file that it is given instead of its own. */
async function refusedBy(work: ManagedWork, text: string, signal: AbortSignal): Promise<readonly string[]> {
  const draft = join(work.place.configDir, `${mainName}.slotkeeper-check`);
  try {
    await writeSynced(draft, text, await ownershipOf(work.place.directory));
    return await refusedSettings(work, draft, signal);
  } finally {
    await rm(draft, { force: true });
  }
}

async function keepOriginal({ settings, place }: ManagedWork): Promise<void> {
  if (settings.customConf !== null) return;
  const base = join(place.configDir, baseName);
  if ((await textOf(base)) !== null) return;
  const main = join(place.configDir, mainName);
  const text = await textOf(main);
  if (text === null || text.startsWith(ownHeader)) {
    // Ours includes the other: a file that included itself would keep the server from starting.
    await replaceFile(base, '', await ownershipOf(place.directory));
  } else {
    await rename(main, base);
    await syncDirectory(place.configDir);
  }
}

/** Null = there is no such file. */
export async function textOf(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

function fileOf(lines: readonly string[]): string {
  return `${lines.join('\n')}\n`;
}

function quoted(path: string): string {
  return `'${path.replaceAll(/[\\']/g, '$&$&')}'`;
}
