import type { IncomingMessage, ServerResponse } from 'node:http';
import { describeError } from '../../base/errors.ts';
import type { AgentEvent } from '../event.ts';
import { redact } from '../redact.ts';
import { refuseAccess, type Access } from './access.ts';
import { refusal, type Answer, type Moment } from './answer.ts';
import { hasBody, readBody } from './body.ts';
import { commandPaths, type Change, type Resource, type WritingMethod } from './routes.ts';

export interface HandlerOptions {
  readonly resources: ReadonlyMap<string, Resource>;
  /** Null = no turn has happened yet. */
  readonly moment: () => Moment | null;
  /** Asked for each request: it changes when the agent's file is read again. */
  readonly policy: () => RequestPolicy;
  readonly report: (event: AgentEvent) => void;
}

/** What counts for every request. */
export interface RequestPolicy {
  /** Who may change something. */
  readonly access: Access;
  /** What every answer has besides its own headers. */
  readonly extraHeaders: Readonly<Record<string, string>>;
}

/** A connection on which nothing happens for this long is cut. */
export const idleTimeoutMs = 30_000;

const readingMethods: readonly string[] = ['GET', 'HEAD', 'OPTIONS'];

/** Answers one request, whatever is in it. Never rejects. */
export async function handle(
  options: HandlerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const method = request.method ?? 'GET';
  // Not `new URL`: it throws on targets such as `//`.
  const [target = '', query = ''] = (request.url ?? '/').split('?', 2);
  const path = target === '/' ? target : target.replace(/\/+$/, '');
  try {
    const answer = await answerTo(options, request, { method, path, query: new URLSearchParams(query) });
    send(response, method, withHeaders(options, answer), request.complete);
  } catch (error) {
    // A client that goes away while its body is read is no fault of anybody.
    if (request.destroyed && !request.complete) {
      response.destroy();
      return;
    }
    options.report({ kind: 'rest_request_failed', method, path: shown(path), message: redact(describeError(error)) });
    if (response.headersSent) response.destroy();
    else send(response, method, refusal(500, 'this is a bug in slotkeeper; the log says more'), request.complete);
  }
}

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
}

async function answerTo(options: HandlerOptions, request: IncomingMessage, asked: Asked): Promise<Answer> {
  const { method, path, query } = asked;
  const resource = options.resources.get(path);
  if (resource === undefined) {
    return commandPaths.includes(path)
      ? refusal(501, 'slotkeeper observes this cluster: something else promotes and restarts servers')
      : refusal(404, 'no such path');
  }
  if (readingMethods.includes(method)) {
    if (resource.read === undefined) return notAllowed(resource);
    const moment = options.moment();
    return moment === null ? refusal(503, 'the agent has just started') : resource.read(moment, query);
  }
  if (!isWriting(method)) return refusal(501, 'unknown method');
  const change = resource.write?.[method];
  return change === undefined ? notAllowed(resource) : write(options, request, asked, change, method);
}

async function write(
  { policy, moment, report }: HandlerOptions,
  request: IncomingMessage,
  { path }: Asked,
  change: Change,
  method: WritingMethod,
): Promise<Answer> {
  const client = request.socket.remoteAddress ?? null;
  const { access } = policy();
  const { allowlist } = access;
  const asked =
    change.isForAgents === true ? { ...access, allowlist: { ...allowlist, includeMembers: false } } : access;
  const refused = await refuseAccess(asked, request, memberUrls(moment()));
  if (refused !== null) {
    report({ kind: 'rest_access_refused', method, path, client });
    return refused;
  }
  const body = change.needsBody || hasBody(request) ? await readBody(request) : noBody;
  if (body.kind === 'refused') return body.answer;
  const now = moment();
  if (now === null) return refusal(503, 'the agent has just started');
  // A command is answered when it is done, and a client that waits for that sends nothing meanwhile.
  request.socket.setTimeout(0);
  const answer = await change.make(now, body.text);
  request.socket.setTimeout(idleTimeoutMs);
  // What agents ask each other every second, and get, is no news.
  if (change.isForAgents === true && answer.status === 200) return answer;
  if (path !== '/config') report({ kind: 'command_answered', method, path, client, status: answer.status });
  else if (answer.status === 200) report({ kind: 'config_written', method, client });
  return answer;
}

const noBody = { kind: 'read', text: '' } as const;

function memberUrls(moment: Moment | null): readonly string[] {
  const members = moment?.turn.view.consul.keys?.members.values() ?? [];
  return [...members].flatMap(({ value }) => value?.apiUrl ?? []);
}

function isWriting(method: string): method is WritingMethod {
  return ['PATCH', 'PUT', 'POST', 'DELETE'].includes(method);
}

function notAllowed({ read, write }: Resource): Answer {
  const methods = [...(read === undefined ? [] : readingMethods), ...Object.keys(write ?? {})];
  return { ...refusal(405, 'this path does not take this method'), headers: { Allow: methods.join(', ') } };
}

function withHeaders({ policy }: HandlerOptions, answer: Answer): Answer {
  return { ...answer, headers: { ...policy().extraHeaders, ...answer.headers } };
}

/** `isRead`: whether the request's body was read to its end; otherwise the connection cannot be used again. */
function send(response: ServerResponse, method: string, answer: Answer, isRead: boolean): void {
  const text = typeof answer.body === 'string' ? answer.body : `${JSON.stringify(answer.body)}\n`;
  response.writeHead(answer.status, {
    'Content-Type': answer.contentType ?? 'application/json',
    'Content-Length': method === 'OPTIONS' ? 0 : Buffer.byteLength(text),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    ...(isRead ? {} : { Connection: 'close' }),
    ...answer.headers,
  });
  response.end(method === 'OPTIONS' || method === 'HEAD' ? undefined : text);
}

/** A path from outside, in a form that can stand in a log. */
function shown(path: string): string {
  return JSON.stringify(path.slice(0, 100)).slice(1, -1);
}
