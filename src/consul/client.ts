import { EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';
import { Agent as HttpAgent, type ClientRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import Consul from 'consul';
import { toConsulError, toTtlRefusal } from './failure.ts';
import { ConsulError, type ConsulPort, type TxnResult } from './port.ts';
import { givenToken, tokenFile, type TokenSource } from './token.ts';
import * as wire from './wire.ts';

/** How to reach the Consul agent beside us: what the configuration's section `consul` says of it. */
export interface ConsulClientConfig {
  readonly host: string;
  readonly port: number;
  readonly scheme: 'http' | 'https';
  /** The ACL token itself. */
  readonly token: string | null;
  /** A file with the token, read again when it changes; wins over `token`. */
  readonly tokenFile: string | null;
  readonly dc: string | null;
  /** For reads: `default` = the leader answers, `consistent` = after asking a quorum, `stale` = any server. */
  readonly consistency: 'default' | 'consistent' | 'stale';
  /** Whether Consul's certificate must be good. */
  readonly verify: boolean;
  /** Paths of PEM files: the authority to trust, and a client certificate with its key. */
  readonly cacert: string | null;
  readonly cert: string | null;
  readonly key: string | null;
  /** How long any request but a blocking read may take; a blocking read has its wait on top. */
  readonly requestTimeoutMs: number;
}

export interface ConsulClient extends ConsulPort {
  /** Closes idle connections. */
  close(): void;
}

/**
 * The real Consul, through the package `consul`: no other file imports it. Its types know neither blocking reads nor
 * node and service checks of sessions, and its error objects carry the request with the token in it: both stay in here.
 * Throws when a TLS file cannot be read.
 */
export function createConsulClient(config: ConsulClientConfig): ConsulClient {
  const agent = config.scheme === 'https' ? new HttpsAgent(tlsOptions(config)) : new HttpAgent({ keepAlive: true });
  const secure = config.scheme === 'https';
  const client = new Consul({ host: urlHost(config.host), port: config.port, secure, agent }) as Consul & Papi;
  client._ext('onRequest', failWhenCut);
  const tokenOf = config.tokenFile === null ? givenToken(config) : tokenFile(config.tokenFile);
  const send = sender(tokenOf, config.dc === null ? {} : { dc: config.dc });
  const timeoutMs = config.requestTimeoutMs;
  /** For the requests that the package has no words for; `body` as in Consul's HTTP API. */
  const put = (
    what: string,
    path: string,
    query: object,
    body: unknown,
    signal: AbortSignal,
  ): Promise<IncomingMessage> =>
    send(what, timeoutMs, signal, ({ token, ctx, timeout, dc }) => {
      const headers = token === undefined ? {} : { 'x-consul-token': token };
      const place = dc === undefined || path.startsWith('/agent') ? query : { ...query, dc };
      return client._put({ path, query: place, headers, body, type: 'json', ctx, timeout });
    });

  return {
    async readPrefix(prefix, { index, waitMs, signal }) {
      const what = 'read the keys';
      // Consul adds up to a sixteenth to the wait.
      const patienceMs = waitMs + waitMs / 16 + timeoutMs;
      const blocking = index === 0 ? {} : { index: String(index), wait: `${Math.ceil(waitMs)}ms` };
      const mode = config.consistency === 'default' ? {} : { [config.consistency]: true };
      const answer: unknown = await send(what, patienceMs, signal, (common) =>
        client.kv.get(Object.assign({ key: prefix, recurse: true }, common, blocking, mode)),
      );
      return wire.prefixRead(answer as wire.Answer);
    },

    async transact(operations, signal): Promise<TxnResult> {
      try {
        const body = operations.map(wire.txnOperation);
        const answer = await send('write to Consul', timeoutMs, signal, (common) =>
          client.transaction.create(body, { ...common, operations: body }),
        );
        return wire.txnDone(answer as unknown as wire.Answer);
      } catch (error) {
        const refusal = error instanceof ConsulError ? wire.txnRefusal(error) : null;
        if (refusal === null) throw error;
        return refusal;
      }
    },

    async createSession(spec, signal) {
      try {
        const response = await put('create a session', '/session/create', {}, wire.sessionBody(spec), signal);
        return wire.sessionId(response);
      } catch (error) {
        throw toTtlRefusal(error) ?? error;
      }
    },

    async renewSession(id, signal) {
      try {
        await send('renew the session', timeoutMs, signal, (common) => client.session.renew({ ...common, id }));
        return 'renewed';
      } catch (error) {
        if (error instanceof ConsulError && error.statusCode === 404) return 'gone';
        throw error;
      }
    },

    async destroySession(id, signal) {
      await send('destroy the session', timeoutMs, signal, (common) => client.session.destroy({ ...common, id }));
    },

    async registerService(service, signal) {
      // Checks that an earlier registration had and this one has not would stay for ever otherwise.
      const query = { 'replace-existing-checks': 'true' };
      await put('register the service', '/agent/service/register', query, wire.serviceBody(service), signal);
    },

    async deregisterService(id, signal) {
      try {
        await send('deregister the service', timeoutMs, signal, (common) =>
          client.agent.service.deregister({ ...common, id }),
        );
      } catch (error) {
        // Consul before 1.9 has 200 for a service that it does not know, later versions have 404.
        if (!(error instanceof ConsulError && error.statusCode === 404)) throw error;
      }
    },

    async updateTtlCheck(checkId, status, output, signal) {
      const path = `/agent/check/update/${encodeURIComponent(checkId)}`;
      try {
        await put('report the check', path, {}, { Status: status, Output: output }, signal);
        return 'updated';
      } catch (error) {
        if (error instanceof ConsulError && wire.isUnknownCheck(error)) return 'unknown';
        throw error;
      }
    },

    close() {
      client.destroy();
    },
  };
}

/** What every request carries. `ctx` is how the package is told to give up and to hand out the response. */
interface Common {
  readonly token?: string;
  readonly dc?: string;
  readonly timeout: number;
  readonly ctx: EventEmitter;
}

/**
 * Runs one request with token, time limit and abort. Whatever goes wrong is a ConsulError that says `what` could not be
 * done, without the token in it.
 */
function sender(tokenOf: TokenSource, place: { readonly dc?: string }) {
  return async <T>(
    what: string,
    timeoutMs: number,
    signal: AbortSignal,
    request: (common: Common) => Promise<T>,
  ): Promise<T> => {
    const token = await tokenOf();
    if (signal.aborted) throw new ConsulError(`cannot ${what}: given up before it was sent`, null);
    const ctx = Object.assign(new EventEmitter(), { includeResponse: true });
    const cancel = (): void => void ctx.emit('cancel');
    signal.addEventListener('abort', cancel, { once: true });
    try {
      return await request({ ...place, ...(token === null ? {} : { token }), timeout: timeoutMs, ctx });
    } catch (error) {
      throw toConsulError(what, error, token);
    } finally {
      signal.removeEventListener('abort', cancel);
    }
  };
}

function tlsOptions({ verify, cacert, cert, key }: ConsulClientConfig): object {
  return {
    keepAlive: true,
    rejectUnauthorized: verify,
    ...(cacert === null ? {} : { ca: readFileSync(cacert) }),
    ...(cert === null ? {} : { cert: readFileSync(cert) }),
    ...(key === null ? {} : { key: readFileSync(key) }),
  };
}

/** The package builds a URL from the host: an IPv6 address needs its brackets there. */
function urlHost(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
}

/** The parts of papi, the package below `consul`, that its types leave out. */
interface Papi {
  _put(request: object): Promise<IncomingMessage>;
  _ext(event: 'onRequest', extension: (request: PapiRequest, next: () => void) => void): void;
}

interface PapiRequest {
  transport: { request(options: object): ClientRequest };
}

/**
 * papi waits for the end of an answer for ever when the connection is cut in the middle of it (Consul killed while it
 * answers): this makes it an error at once.
 */
function failWhenCut(request: PapiRequest, next: () => void): void {
  const { transport } = request;
  request.transport = {
    request(options) {
      const sent = transport.request(options);
      sent.once('response', (response) => {
        response.once('close', () => {
          if (!response.complete) sent.emit('error', new Error('the connection was cut in the middle of the answer'));
        });
      });
      return sent;
    },
  };
  next();
}
