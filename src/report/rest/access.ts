import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import { isAllowed, type Allowlist } from './allowlist.ts';
import { refusal, type Answer } from './answer.ts';

/** Who may change something: HTTP basic authentication. */
export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** What a request has to satisfy to change something. */
export interface Access {
  /** Null = everybody. */
  readonly credentials: Credentials | null;
  readonly allowlist: Allowlist;
  /** Only with a certificate that was verified when the connection was made. */
  readonly needsCertificate: boolean;
}

/** Why the request may not change anything, as the answer to it; null = it may. Patroni's order: address, certificate, password. */
export async function refuseAccess(
  { credentials, allowlist, needsCertificate }: Access,
  request: IncomingMessage,
  memberUrls: readonly string[],
): Promise<Answer | null> {
  const { socket, headers } = request;
  if (!(await isAllowed(allowlist, socket.remoteAddress, memberUrls))) return refusal(403, 'Access is denied');
  if (needsCertificate && !(socket instanceof TLSSocket && socket.authorized))
    return refusal(403, 'client certificate required');
  if (credentials === null || mayChange(credentials, headers.authorization)) return null;
  const error = headers.authorization === undefined ? 'no auth header received' : 'not authenticated';
  return { ...refusal(401, error), headers: { 'WWW-Authenticate': 'Basic realm="slotkeeper"' } };
}

/**
 * Whether an `Authorization` header carries these credentials. What is compared are digests of one length, so that the
 * time of the answer tells neither the length nor the first letters of what would be right.
 */
function mayChange(credentials: Credentials, authorization: string | undefined): boolean {
  const given = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(authorization ?? '')?.[1] ?? '';
  const wanted = `${credentials.username}:${credentials.password}`;
  return timingSafeEqual(digest(Buffer.from(given, 'base64')), digest(Buffer.from(wanted, 'utf8')));
}

function digest(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest();
}
