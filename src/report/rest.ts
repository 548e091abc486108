import { createServer as createHttpServer, type Server, type ServerOptions } from 'node:http';
import { createServer as createHttpsServer, Server as HttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Clock } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';
import type { Turn } from '../plan/plan.ts';
import type { AgentEvent } from './event.ts';
import { redact } from './redact.ts';
import type { AgentRequest } from '../domain/request.ts';
import type { TlsOptions } from 'node:tls';
import type { Moment } from './rest/answer.ts';
import { followMoments } from './rest/following.ts';
import { handle, idleTimeoutMs, type RequestPolicy } from './rest/handler.ts';
import { routes, type RouteOptions } from './rest/routes.ts';

export interface RestOptions extends Omit<RouteOptions, 'commands'>, RequestPolicy {
  readonly listen: { readonly host: string; readonly port: number };
  /** As `loadTls` reads it; null = plain HTTP. */
  readonly tls: TlsOptions | null;
  /** Where the key `failover` is written, and how a request gets into the agent's loop; null = slotkeeper observes. */
  readonly commands: { readonly failoverKey: string; readonly ask: (request: AgentRequest) => void } | null;
  readonly clock: Pick<Clock, 'monotonicMs' | 'wallMs'>;
  readonly report: (event: AgentEvent) => void;
}

/** The agent's HTTP server. It answers from the newest turn that it was shown, so it is never slower when Consul is. */
export interface RestServer {
  readonly url: string;
  /** From now on answers are made from this turn. */
  show(turn: Turn): void;
  /** From now on this counts: for each further request, and `tls` (with HTTPS only) for each further connection. */
  adopt(policy: RequestPolicy, tls: TlsOptions | null): void;
  /** Stops listening, lets requests that are being answered finish for a second, and cuts the rest. */
  close(): Promise<void>;
}

/** The server cannot listen where it should. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
}

/** A client that is slower than this with its request is not served: none may hold a connection for nothing. */
const limits = {
  headersTimeout: 3_000,
  requestTimeout: 10_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 500,
  maxHeaderSize: 16_384,
} satisfies ServerOptions;
const mostConnections = 256;
const closingMs = 1_000;

/** Starts the server; resolves when it listens. Rejects with ListenError. */
export async function openRest(options: RestOptions): Promise<RestServer> {
  let newest: { readonly turn: Turn; readonly turnAtMs: number } | null = null;
  const { clock, report } = options;
  const moment = (): Moment | null =>
    newest === null ? null : { ...newest, nowMs: clock.monotonicMs(), nowWallMs: clock.wallMs() };
  const following = followMoments(moment);
  let lastId = 0;
  const nextId = (): number => (lastId += 1);
  const { consul } = options.config;
  const commands = options.commands === null ? null : { ...options.commands, consul, nextId, following };
  let policy: RequestPolicy = options;
  const handlerOptions = { resources: routes({ ...options, commands }), moment, policy: () => policy, report };

  const server = createServer(options.tls);
  server.on('request', (request, response) => void handle(handlerOptions, request, response));
  server.on('clientError', refuseMalformed);
  await listen(server, options.listen);
  server.on('error', (error) => {
    report({ kind: 'rest_request_failed', method: '', path: '', message: redact(describeError(error)) });
  });
  const url = urlOf(server, options);
  report({ kind: 'rest_listening', url });
  return {
    url,
    show: (turn) => {
      newest = { turn, turnAtMs: clock.monotonicMs() };
      following.shown();
    },
    adopt: (wanted, tls) => {
      policy = wanted;
      if (server instanceof HttpsServer && tls !== null) server.setSecureContext(tls);
    },
    close: () => {
      following.end();
      return close(server);
    },
  };
}

function createServer(tls: RestOptions['tls']): Server {
  const server: Server = tls === null ? createHttpServer(limits) : createHttpsServer({ ...limits, ...tls });
  server.maxConnections = mostConnections;
  server.setTimeout(idleTimeoutMs);
  return server;
}

async function listen(server: Server, { host, port }: RestOptions['listen']): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const refuse = (error: NodeJS.ErrnoException): void => reject(listenError(error, `${host}:${port}`));
    server.once('error', refuse);
    server.listen({ host, port }, () => {
      server.off('error', refuse);
      resolve();
    });
  });
}

const listenHints: Readonly<Record<string, string>> = {
  EADDRINUSE: 'something else listens there, perhaps another agent or Patroni',
  EADDRNOTAVAIL: 'this machine does not have that address',
  EACCES: 'this user may not listen there',
};

function listenError(error: NodeJS.ErrnoException, place: string): ListenError {
  const hint = listenHints[error.code ?? ''] ?? error.message;
  return new ListenError(`the REST server cannot listen on ${place}: ${hint} (setting restapi.listen)`, {
    cause: error,
  });
}

function urlOf(server: Server, { listen, tls }: RestOptions): string {
  const { port } = server.address() as AddressInfo;
  const host = listen.host.includes(':') ? `[${listen.host}]` : listen.host;
  return `${tls === null ? 'http' : 'https'}://${host}:${port}`;
}

const refusals: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};

/** What is not HTTP, or comes too slowly, gets one line and no connection. */
function refuseMalformed(error: NodeJS.ErrnoException, socket: Socket): void {
  if (socket.writable) {
    const line = refusals[error.code ?? ''] ?? '400 Bad Request';
    socket.write(`HTTP/1.1 ${line}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  }
  socket.destroySoon();
}

async function close(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    const cut = setTimeout(() => server.closeAllConnections(), closingMs);
    // This also ends connections on which nothing is asked at the moment.
    server.close(() => {
      clearTimeout(cut);
      resolve();
    });
  });
}
