import { createHash, timingSafeEqual } from 'node:crypto';

/** Who may change something: HTTP basic authentication. */
export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/**
 * Whether an `Authorization` header carries these credentials. What is compared are digests of one length, so that the
 * time of the answer tells neither the length nor the first letters of what would be right.
 */
export function mayChange(credentials: Credentials, authorization: string | undefined): boolean {
  const given = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(authorization ?? '')?.[1] ?? '';
  const wanted = `${credentials.username}:${credentials.password}`;
  return timingSafeEqual(digest(Buffer.from(given, 'base64')), digest(Buffer.from(wanted, 'utf8')));
}

function digest(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest();
}
