import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Connection, connect } from '../client.ts';
import { postmasterPid } from '../data-directory.ts';
import type { Address } from '../settings.ts';
import { isInRecovery } from '../sql/recovery-state.ts';
import type { ManagedWork } from './managed-work.ts';
import { pause } from './pause.ts';
import { ownFiles } from './place.ts';
import { launch } from './postmaster.ts';
import { configOptions } from './server-conf.ts';
import { stopFast, stopImmediately } from './stop-server.ts';
import { untilStarted } from './until-started.ts';

export interface PrivateServer {
  readonly address: Address;
  readonly connect: (signal: AbortSignal) => Promise<Connection>;
}

/** A socket's path must not be longer than 107 bytes. */
const longestFolder = 80;

/**
 * Runs the server where nobody but us gets to it while `work` goes on: on a socket in a folder of its own, without a
 * password, since whoever restored a backup does not know those in it. So nobody takes a server that is being made for one
 * that is ready, an agent that is started meanwhile included. It is a primary, and stopped in order, when this resolves.
 */
export async function withPrivateServer(
  work: ManagedWork,
  use: (server: PrivateServer) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const { settings, place, user } = work;
  const folder = await privateFolder(work);
  try {
    const hba = join(folder, 'hba');
    await writeFile(hba, 'local all all trust\n', { mode: 0o600 });
    if (user !== null) await chown(hba, user.uid, user.gid);
    const address = { host: folder, port: settings.address.port, database: settings.address.database };
    const options = {
      listen_addresses: '',
      unix_socket_directories: folder,
      unix_socket_permissions: '0700',
      port: String(address.port),
      hba_file: hba,
      synchronous_standby_names: '',
    };
    const args = Object.entries(options).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const postmaster = await launch(work, [...configOptions(work), ...args], join(place.directory.root, ownFiles.log));
    const server: PrivateServer = {
      address,
      connect: (attempt) =>
        connect(address, settings.credentials, { connectTimeoutMs: 3_000, statementTimeoutMs: 0 }, attempt),
    };
    try {
      await untilStarted(postmaster, server.connect, settings.clock, signal);
      await untilPrimary(server, work, signal);
      await use(server);
      await stopFast(place.directory, null, settings.clock, signal);
    } catch (error) {
      await stopImmediately(place.directory, settings.clock);
      throw error;
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Where a backup was restored there may be much to recover. */
async function untilPrimary(
  server: PrivateServer,
  { settings, place }: ManagedWork,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    if ((await postmasterPid(place.directory)) === null) throw new Error('the server ended while it recovered');
    if (await isPrimary(server, signal)) return;
    await pause(settings.clock, 100, signal);
  }
}

async function isPrimary(server: PrivateServer, signal: AbortSignal): Promise<boolean> {
  try {
    const connection = await server.connect(signal);
    try {
      return !(await connection.run(isInRecovery(), signal));
    } finally {
      await connection.close();
    }
  } catch {
    // It does not take connections yet.
    return false;
  }
}

async function privateFolder({ user }: ManagedWork): Promise<string> {
  const parent = tmpdir().length > longestFolder ? '/tmp' : tmpdir();
  const folder = await mkdtemp(join(parent, 'slotkeeper-'));
  if (user !== null) await chown(folder, user.uid, user.gid);
  return folder;
}
