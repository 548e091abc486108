import type { IncomingMessage } from 'node:http';
import { refusal, type Answer } from './answer.ts';

/** Consul takes no larger value. */
export const mostBodyBytes = 512 * 1_024;

export type Body =
  { readonly kind: 'read'; readonly text: string } | { readonly kind: 'refused'; readonly answer: Answer };

/** Whether the request says that a body comes with it. */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;
}

/** Reads a request's body as UTF-8, never more than `mostBodyBytes`. Rejects when the client goes away meanwhile. */
export async function readBody(request: IncomingMessage): Promise<Body> {
  const length = request.headers['content-length'];
  if (!hasBody(request)) return refused(411, 'a body is missing');
  if (Number(length) > mostBodyBytes) return tooLarge;
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    const part = chunk as Buffer;
    bytes += part.length;
    if (bytes > mostBodyBytes) return tooLarge;
    chunks.push(part);
  }
  return { kind: 'read', text: Buffer.concat(chunks).toString('utf8') };
}

function refused(status: number, why: string): Body {
  return { kind: 'refused', answer: refusal(status, why) };
}

const tooLarge = refused(413, `the body is larger than ${mostBodyBytes} bytes`);
