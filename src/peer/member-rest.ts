import { readFile } from 'node:fs/promises';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { text } from 'node:stream/consumers';
import { describeError } from '../base/errors.ts';
import type { RestAccess } from '../config/sections/ctl.ts';

export interface MemberReply {
  readonly status: number;
  readonly text: string;
  readonly headers: IncomingHttpHeaders;
}

export interface MemberRequest {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly body?: Readonly<Record<string, unknown>>;
  readonly timeoutMs: number;
}

/** A member's REST interface could not be reached, or did not answer. */
export class MemberError extends Error {
  override readonly name = 'MemberError';
}

/**
 * Asks a member, whose key says where its REST interface is (`apiUrl`, with or without a path). Throws MemberError; what
 * the member refuses is a reply.
 */
export async function askMember(
  access: RestAccess,
  apiUrl: string,
  asked: MemberRequest,
  signal: AbortSignal,
): Promise<MemberReply> {
  if (!URL.canParse(apiUrl)) throw new MemberError(`the member's api_url is not a URL: ${JSON.stringify(apiUrl)}`);
  const url = new URL(asked.path, apiUrl);
  const body = asked.body === undefined ? null : JSON.stringify(asked.body);
  const options: RequestOptions = {
    method: asked.method,
    signal: AbortSignal.any([signal, AbortSignal.timeout(asked.timeoutMs)]),
    agent: false,
    headers: {
      ...(body === null ? {} : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) }),
      ...authorization(access),
    },
    ...(url.protocol === 'https:' ? await tlsOptions(access) : {}),
  };
  try {
    return await new Promise<MemberReply>((resolve, reject) => {
      const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
      const request = send(url, options, (response) => {
        const { statusCode: status = 0, headers } = response;
        text(response).then((content) => resolve({ status, text: content, headers }), reject);
      });
      request.on('error', reject);
      request.end(body ?? undefined);
    });
  } catch (error) {
    throw new MemberError(`${url.origin} does not answer: ${describeError(error)}`, { cause: error });
  }
}

function authorization({ credentials }: RestAccess): Readonly<Record<string, string>> {
  if (credentials === null) return {};
  const pair = Buffer.from(`${credentials.username}:${credentials.password}`, 'utf8').toString('base64');
  return { Authorization: `Basic ${pair}` };
}

async function tlsOptions({ insecure, caFile, certFile, keyFile, keyPassword }: RestAccess): Promise<RequestOptions> {
  const read = async (name: string, path: string | null): Promise<Readonly<Record<string, string>>> =>
    path === null ? {} : { [name]: await readFile(path, 'utf8') };
  return {
    rejectUnauthorized: !insecure,
    ...(await read('ca', caFile)),
    ...(await read('cert', certFile)),
    ...(await read('key', keyFile ?? certFile)),
    ...(keyPassword === null ? {} : { passphrase: keyPassword }),
  };
}
