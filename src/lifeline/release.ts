import { readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import type { RequestOptions } from 'node:https';
import { givenToken, tokenFile, type TokenSource } from '../consul/token.ts';
import { txnOperation } from '../consul/wire.ts';
import type { ConsulAccess } from './message.ts';

export interface HeldKey {
  readonly key: string;
  readonly session: string;
  /** Its `ModifyIndex`; null = any. */
  readonly index: number | null;
}

/** Deletes a key of Consul's, only while it is as said. Throws when Consul cannot be asked. */
export type Release = (held: HeldKey) => Promise<'released' | 'not_ours'>;

const timeoutMs = 2_000;

/**
 * Deleting the key in a transaction, rather than ending the session, costs no lock delay: the next leader can have it at
 * once. Without the package `consul`, which would triple the lifeline's memory. TLS files are read now, since later their
 * disk may be what has failed; throws when one cannot be read.
 */
export async function releaseBy(consul: ConsulAccess): Promise<Release> {
  const tokenOf = consul.tokenFile === null ? givenToken(consul) : tokenFile(consul.tokenFile);
  const secure: RequestOptions = consul.scheme === 'https' ? await tlsOptions(consul) : {};
  const place = consul.dc === null ? '' : `?dc=${encodeURIComponent(consul.dc)}`;
  return async ({ key, session, index }) => {
    const body = JSON.stringify([
      txnOperation({ verb: 'check-session', key, session }),
      txnOperation(index === null ? { verb: 'delete', key } : { verb: 'delete-cas', key, index }),
    ]);
    const options: RequestOptions = {
      ...secure,
      host: consul.host.replace(/^\[(.*)\]$/, '$1'),
      port: consul.port,
      method: 'PUT',
      path: `/v1/txn${place}`,
      headers: { 'content-type': 'application/json', ...(await tokenHeader(tokenOf)) },
      signal: AbortSignal.timeout(timeoutMs),
    };
    const { status, text } = await put(consul.scheme, options, body);
    if (status === 200) return 'released';
    const isRefusal = status === 409 || (status === 500 && /invalid session/i.test(text));
    if (isRefusal && !/permission denied/i.test(text)) return 'not_ours';
    throw new Error(`Consul answered ${status}: ${text.slice(0, 200)}`);
  };
}

async function tokenHeader(tokenOf: TokenSource): Promise<Record<string, string>> {
  const token = await tokenOf();
  return token === null ? {} : { 'x-consul-token': token };
}

async function put(
  scheme: 'http' | 'https',
  options: RequestOptions,
  body: string,
): Promise<{ readonly status: number; readonly text: string }> {
  // Loaded when needed: a lifeline that never fences does without.
  const { request } = scheme === 'https' ? await import('node:https') : await import('node:http');
  return new Promise((resolve, reject) => {
    const receive = (response: IncomingMessage): void => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      response.on('error', reject);
    };
    request(options, receive).on('error', reject).end(body);
  });
}

async function tlsOptions({ verify, cacert, cert, key }: ConsulAccess): Promise<RequestOptions> {
  return {
    rejectUnauthorized: verify,
    ...(cacert === null ? {} : { ca: await readFile(cacert) }),
    ...(cert === null ? {} : { cert: await readFile(cert) }),
    ...(key === null ? {} : { key: await readFile(key) }),
  };
}
