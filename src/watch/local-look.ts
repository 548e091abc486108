import type { Clock } from '../base/clock.ts';
import type { DecodeConfig } from '../consul/codec.ts';
import { describeError } from '../base/errors.ts';
import type { Ledger } from '../domain/local.ts';
import type { Problem } from '../domain/problem.ts';
import type { ServerLook } from '../domain/server.ts';
import type { ManagedServer } from '../postgres/managed-port.ts';
import { LedgerError, type LocalServer, ServerError } from '../postgres/port.ts';
import type { Observation } from '../view/observation.ts';
import { within } from './patience.ts';

/** An observation before it is known when it was made. */
type Undated<O> = O extends Observation ? Omit<O, 'atMs' | 'wallMs'> : never;
export type LocalNews = Extract<
  Undated<Observation>,
  { kind: 'look' | 'server_trouble' | 'disk' | 'notes' | 'ledger' | 'timeline_history' | 'problem' }
>;

/** Where is looked, and what is needed for it. */
export interface LocalPlace {
  readonly server: LocalServer;
  /** Null = slotkeeper does not manage the server. */
  readonly managed: ManagedServer | null;
  readonly clock: Clock;
  readonly decodeConfig: DecodeConfig;
}

export type Emit = (news: LocalNews) => void;

/** What was told once and need not be asked again. */
export interface Remembered {
  ledgerIsRead: boolean;
  notesAreRead: boolean;
  /** The timeline whose history was told. */
  historyOf: number | null;
  /** The history could not be read: not to be asked before this. */
  historyNotBeforeMs: number | null;
  diskIsUnreadable: boolean;
}

export function nothingRemembered(): Remembered {
  return {
    ledgerIsRead: false,
    notesAreRead: false,
    historyOf: null,
    historyNotBeforeMs: null,
    diskIsUnreadable: false,
  };
}

/** Whatever is asked of the server here is given up after this. */
const patienceMs = 5_000;

/** After a history that could not be read: each attempt is a connection of its own. */
const historyPauseMs = 10_000;

/**
 * One look, and what follows from it: of a managed server that does not run, what is on its disk; after the first one that succeeds the ledger (which belongs to the system
 * identifier that was seen), and on a primary, once for each timeline, its history. Never throws.
 */
export async function lookOnce(
  place: LocalPlace,
  remembered: Remembered,
  emit: Emit,
  stop: AbortSignal,
): Promise<void> {
  const { server, managed, clock } = place;
  const startedAtMs = clock.monotonicMs();
  const seen = await answerOf(clock, stop, 'look at the server', (signal) => server.look(signal));
  if (!seen.ok) {
    const trouble = await troubleOf(server, clock, seen.error, stop);
    emit(trouble);
    if (managed === null || trouble.trouble !== 'not_running') return;
    await readNotes(place, remembered, emit, stop);
    await inspect(managed, clock, remembered, emit, stop);
    return;
  }
  const look = seen.value;
  emit({ kind: 'look', startedAtMs, look });
  await readNotes(place, remembered, emit, stop);
  if (!remembered.ledgerIsRead) await readLedger(server, clock, remembered, emit, stop);
  await readHistory(server, clock, remembered, look, emit, stop);
}

/** Once: from then on this run of the agent knows what it has noted. */
async function readNotes(
  { managed, clock, decodeConfig }: LocalPlace,
  remembered: Remembered,
  emit: Emit,
  stop: AbortSignal,
): Promise<void> {
  if (managed === null || remembered.notesAreRead) return;
  const read = await answerOf(clock, stop, 'read what is noted beside the data', (signal) => managed.recall(signal));
  remembered.notesAreRead = read.ok;
  if (read.ok) {
    const { configText } = read.value;
    const { config } = configText === null ? { config: null } : decodeConfig(configText);
    emit({ kind: 'notes', notes: { ...read.value, configText: config === null ? null : configText }, config });
  }
  const what = read.ok ? '' : describeError(read.error);
  emit({
    kind: 'problem',
    present: !read.ok,
    problem: { code: 'notes_unreadable', severity: 'error', what, fix: null },
  });
}

/** What is on the disk of a server that does not run: there is nothing else to go by. */
async function inspect(
  managed: ManagedServer,
  clock: Clock,
  remembered: Remembered,
  emit: Emit,
  stop: AbortSignal,
): Promise<void> {
  const startedAtMs = clock.monotonicMs();
  const read = await answerOf(clock, stop, 'look at the data directory', (signal) => managed.inspect(signal));
  if (read.ok) emit({ kind: 'disk', startedAtMs, disk: read.value });
  if (!read.ok || remembered.diskIsUnreadable) {
    emit({ kind: 'problem', present: !read.ok, problem: inspectProblem(read.ok ? '' : describeError(read.error)) });
  }
  remembered.diskIsUnreadable = !read.ok;
}

function inspectProblem(what: string): Problem {
  return { code: 'data_directory_unreadable', severity: 'error', what, fix: null };
}

type Trouble = Extract<LocalNews, { kind: 'server_trouble' }>;

async function troubleOf(server: LocalServer, clock: Clock, error: unknown, stop: AbortSignal): Promise<Trouble> {
  const interrupted = await answerOf(clock, stop, 'look for an interrupted copy', () => server.copyWasInterrupted());
  return {
    kind: 'server_trouble',
    trouble: error instanceof ServerError ? error.trouble : 'other',
    why: describeError(error),
    // Where it cannot be told, the server's being down is taken for somebody else's doing.
    copyInterrupted: interrupted.ok && interrupted.value,
  };
}

async function readLedger(
  server: LocalServer,
  clock: Clock,
  remembered: Remembered,
  emit: Emit,
  stop: AbortSignal,
): Promise<void> {
  const read = await answerOf(clock, stop, 'read the ledger', () => server.readLedger());
  let ledger: Ledger;
  if (read.ok) {
    ledger = read.value;
  } else if (read.error instanceof LedgerError) {
    ledger = read.error.empty;
    emit({ kind: 'problem', present: true, problem: ledgerProblem(read.error) });
  } else {
    return;
  }
  remembered.ledgerIsRead = true;
  emit({ kind: 'ledger', ledger });
}

async function readHistory(
  server: LocalServer,
  clock: Clock,
  remembered: Remembered,
  look: ServerLook,
  emit: Emit,
  stop: AbortSignal,
): Promise<void> {
  const { timeline } = look;
  if (look.role !== 'primary' || remembered.historyOf === timeline) return;
  const notBeforeMs = remembered.historyNotBeforeMs;
  if (notBeforeMs !== null && clock.monotonicMs() < notBeforeMs) return;
  const what = `read the history of timeline ${timeline}`;
  const read = await answerOf(clock, stop, what, (signal) => server.timelineHistory(timeline, signal));
  if (read.ok) {
    remembered.historyOf = timeline;
    remembered.historyNotBeforeMs = null;
    if (notBeforeMs !== null) emit({ kind: 'problem', present: false, problem: historyProblem('') });
    emit({ kind: 'timeline_history', timeline, switches: read.value });
  } else {
    remembered.historyNotBeforeMs = clock.monotonicMs() + historyPauseMs;
    emit({ kind: 'problem', present: true, problem: historyProblem(describeError(read.error)) });
  }
}

function ledgerProblem(error: LedgerError): Problem {
  return {
    code: 'ledger_unreadable',
    severity: 'warning',
    what: `${describeError(error)}; slots that this agent made or proved before have to be proved again`,
    fix: null,
  };
}

function historyProblem(what: string): Problem {
  return {
    code: 'timeline_history_unreadable',
    severity: 'warning',
    what,
    fix: "allow the agent's role to replicate: ALTER ROLE … REPLICATION, and a line for it in pg_hba.conf",
  };
}

type Answer<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown };

/** The answer, or ServerError after `patienceMs`, whether the call listens to its signal or not. Never rejects. */
async function answerOf<T>(
  clock: Clock,
  stop: AbortSignal,
  verb: string,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<Answer<T>> {
  const givenUp = (stopped: boolean): Error =>
    new ServerError(`${verb}: ${stopped ? 'given up' : `no answer in ${patienceMs} ms`}`, 'timeout', null);
  try {
    return { ok: true, value: await within(clock, patienceMs, stop, call, givenUp) };
  } catch (error) {
    return { ok: false, error };
  }
}
