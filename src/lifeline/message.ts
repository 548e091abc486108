import type { ConsulClientConfig } from '../consul/client.ts';
import type { Guard } from '../domain/lead.ts';
import type { ProcessIdentity } from './process-table.ts';

/** How Consul is reached to give the leader key back. */
export type ConsulAccess = Pick<
  ConsulClientConfig,
  'host' | 'port' | 'scheme' | 'token' | 'tokenFile' | 'dc' | 'verify' | 'cacert' | 'cert' | 'key'
>;

/** The machine's watchdog: it resets the machine when nothing has fed it in time. */
export interface WatchdogSettings {
  /** `required`: no server may accept writes without it. */
  readonly mode: 'off' | 'automatic' | 'required';
  readonly device: string;
}

/** What a lifeline is told once, before anything else. */
export interface LifelineOrder {
  readonly dataDir: string;
  /** The full names of the keys that are given back once the server is stopped. */
  readonly leaderKey: string;
  readonly memberKey: string;
  readonly consul: ConsulAccess;
  /** Whether an agent that is dead for two seconds is followed by another member at once. */
  readonly fastFailover: boolean;
  readonly watchdog: WatchdogSettings;
  readonly agent: ProcessIdentity | null;
}

/** From the agent, over the lifeline's standard input, one JSON object a line. `deadlineMs` counts like `machineMs`. */
export type Request =
  | { readonly kind: 'begin'; readonly order: LifelineOrder }
  /** `token`: Consul's, as it is by now; see `ConsulAccess`. */
  | { readonly kind: 'guard'; readonly number: number; readonly guard: Guard; readonly token: string | null };

/** To the agent, over its standard output. */
export type Reply =
  /** The guard of that number is in force. */
  | { readonly kind: 'in_force'; readonly number: number }
  | { readonly kind: 'refused'; readonly number: number; readonly why: string }
  /** For the log. */
  | { readonly kind: 'said'; readonly text: string };

/** The monotonic clock of the machine, in milliseconds: every process of it reads the same one. */
export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Cuts what comes into lines, and hands out what each of them says. */
export function eachMessage(take: (message: unknown) => void): (chunk: string) => void {
  let rest = '';
  return (chunk) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) take(JSON.parse(line));
  };
}

export function asLine(message: Request | Reply): string {
  return `${JSON.stringify(message)}\n`;
}
