import { readFile } from 'node:fs/promises';
import type { ConnectionOptions } from 'node:tls';
import pg from 'pg';
import { passwordFromFile } from './passfile.ts';
import { ServerError } from './port.ts';
import type { Address, Credentials, SslSettings } from './settings.ts';
import type { Statement } from './statement.ts';
import { givenUp, serverError } from './trouble.ts';

export interface ConnectOptions {
  readonly connectTimeoutMs: number;
  /** The server ends a statement that takes longer. */
  readonly statementTimeoutMs: number;
  /** A connection for replication commands; it takes statements without parameters only. */
  readonly replication?: boolean;
  /** Called when somebody else ends the connection, once. */
  readonly onLost?: () => void;
}

/** One connection that is used for one statement at a time. */
export interface Connection {
  /**
   * Runs a statement. Throws ServerError. An abort closes the connection at once; the server itself ends the statement
   * at its timeout.
   */
  run<Result>(statement: Statement<Result>, signal: AbortSignal): Promise<Result>;
  /** False once the connection is of no more use. */
  isOpen(): boolean;
  close(): Promise<void>;
}

/** Connects, or throws ServerError. What may differ from role to role (search path, timeouts) is set by the connection. */
export async function connect(
  address: Address,
  credentials: Credentials,
  options: ConnectOptions,
  signal: AbortSignal,
): Promise<Connection> {
  const verb = `connect to ${address.host}:${address.port}/${address.database}`;
  try {
    // `replication` is known to pg but not to its types.
    const base: pg.ClientConfig & { replication?: string } = {
      host: address.host,
      port: address.port,
      database: address.database,
      user: credentials.user,
      password: () => passwordOf(address, credentials),
      application_name: 'slotkeeper',
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      connectionTimeoutMillis: options.connectTimeoutMs,
      ...(options.replication === true
        ? // Not `true`: this one passes by the same lines of pg_hba.conf as every other connection.
          { replication: 'database' }
        : { options: sessionOptions(options.statementTimeoutMs) }),
    };
    const ssl = address.host.startsWith('/') ? false : await tlsOptions(credentials.ssl);
    const { onLost } = options;
    return await open({ ...base, ssl }, verb, signal, onLost).catch((error: unknown) => {
      const mayBePlain = ssl !== false && (credentials.ssl.mode === 'prefer' || credentials.ssl.mode === 'allow');
      if (mayBePlain && isWithoutTls(error)) return open({ ...base, ssl: false }, verb, signal, onLost);
      throw error;
    });
  } catch (error) {
    throw serverError(verb, error);
  }
}

/** JIT could only cost here: the planner's guesses about function scans are far too high. */
function sessionOptions(statementTimeoutMs: number): string {
  const settings = { search_path: 'pg_catalog', statement_timeout: String(statementTimeoutMs), jit: 'off' };
  return Object.entries(settings)
    .map(([name, value]) => `-c ${name}=${value}`)
    .join(' ');
}

async function passwordOf(address: Address, credentials: Credentials): Promise<string> {
  const { password, passfile, user } = credentials;
  const found = password ?? (passfile === null ? null : await passwordFromFile(passfile, address, user));
  if (found !== null) return found;
  throw new Error(
    passfile === null
      ? `the server asks for the password of ${user}, and none is configured`
      : `the server asks for the password of ${user}, and no line of ${passfile} gives it`,
  );
}

/** pg has no code for a server that speaks no TLS, only this sentence. */
function isWithoutTls(error: unknown): boolean {
  return error instanceof Error && error.message.includes('does not support SSL');
}

async function tlsOptions(ssl: SslSettings): Promise<false | ConnectionOptions> {
  if (ssl.mode === 'disable') return false;
  const read = (path: string | null): Promise<Buffer | undefined> =>
    path === null ? Promise.resolve(undefined) : readFile(path);
  const [ca, cert, key] = await Promise.all([read(ssl.rootCert), read(ssl.cert), read(ssl.key)]);
  // As in libpq, `require` with a root certificate verifies.
  const verifiesHost = ssl.mode === 'verify-full';
  const verifiesChain = verifiesHost || ssl.mode === 'verify-ca' || (ssl.mode === 'require' && ca !== undefined);
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    rejectUnauthorized: verifiesChain,
    ...(verifiesHost ? {} : { checkServerIdentity: () => undefined }),
  };
}

async function open(
  config: pg.ClientConfig,
  verb: string,
  signal: AbortSignal,
  onLost: (() => void) | undefined,
): Promise<Connection> {
  if (signal.aborted) throw givenUp(verb);
  const client = new pg.Client(config);
  let open = true;
  let isConnected = false;
  const lost = (): void => {
    if (open && isConnected) onLost?.();
    open = false;
  };
  // Without a listener an error between two statements would end the process.
  client.on('error', lost);
  client.on('end', lost);
  const close = async (): Promise<void> => {
    open = false;
    // Ends an answer that is still awaited, too.
    await client.end().catch(() => undefined);
  };
  try {
    await abortable(verb, client.connect(), signal, close);
    isConnected = true;
  } catch (error) {
    void close();
    throw error;
  }
  return {
    run: async (statement, statementSignal) => {
      if (statementSignal.aborted) throw givenUp(statement.verb);
      try {
        const query = {
          text: statement.text,
          ...(statement.values.length === 0 ? {} : { values: [...statement.values] }),
          ...(statement.prepareAs === undefined ? {} : { name: statement.prepareAs }),
        };
        const answer = await abortable(statement.verb, client.query<pg.QueryResultRow>(query), statementSignal, close);
        return statement.read(answer.rows);
      } catch (error) {
        const failure = serverError(statement.verb, error);
        // Without a SQLSTATE it is the connection that failed, or the answer that made no sense.
        if (failure.sqlstate === null || failure.trouble === 'stopping') void close();
        throw failure;
      }
    },
    isOpen: () => open,
    close,
  };
}

/** Rejects as soon as the signal is aborted, and ends the work that is then nobody's. */
async function abortable<T>(verb: string, work: Promise<T>, signal: AbortSignal, end: () => Promise<void>): Promise<T> {
  return new Promise<T>((resolve, reject: (error: ServerError | Error) => void) => {
    const onAbort = (): void => {
      reject(givenUp(verb));
      void end();
    };
    signal.addEventListener('abort', onAbort, { once: true });
    work
      .then(resolve, (error: unknown) => reject(serverError(verb, error)))
      .finally(() => signal.removeEventListener('abort', onAbort));
  });
}
