import type { ClusterKeys } from '../domain/cluster.ts';
import type { Ledger, TimelineSwitch } from '../domain/local.ts';
import type { DynamicConfig } from '../domain/config.ts';
import type { DiskState, NotesOnDisk } from '../domain/disk.ts';
import type { Problem } from '../domain/problem.ts';
import type { AgentRequest } from '../domain/request.ts';
import type { ServerLook, ServerTrouble } from '../domain/server.ts';
import type { Action, Outcome } from '../domain/action.ts';
import type { Self, SessionState } from './view.ts';

/** One thing learnt from outside. `atMs` monotonic, `wallMs` since 1970, both when it was learnt. */
export type Observation = { readonly atMs: number; readonly wallMs: number } & (
  | { readonly kind: 'keys'; readonly keys: ClusterKeys }
  /** Consul answered, and nothing is new. */
  | { readonly kind: 'consul_contact' }
  | { readonly kind: 'consul_trouble'; readonly why: string }
  | { readonly kind: 'session'; readonly session: SessionState }
  /** `startedAtMs`: when the look began; what changed after that may be missing from it. */
  | { readonly kind: 'look'; readonly startedAtMs: number; readonly look: ServerLook }
  | {
      readonly kind: 'server_trouble';
      readonly trouble: ServerTrouble;
      readonly why: string;
      readonly copyInterrupted: boolean;
    }
  | { readonly kind: 'timeline_history'; readonly timeline: number; readonly switches: readonly TimelineSwitch[] }
  | { readonly kind: 'ledger'; readonly ledger: Ledger }
  /** What is on disk while no server runs there (`ha: manage`). */
  | { readonly kind: 'disk'; readonly startedAtMs: number; readonly disk: DiskState }
  /** What earlier runs have left beside the data (`ha: manage`); `config`: its configuration, null = none, or it is wrong. */
  | { readonly kind: 'notes'; readonly notes: NotesOnDisk; readonly config: DynamicConfig | null }
  | { readonly kind: 'started'; readonly action: Action }
  | { readonly kind: 'outcome'; readonly outcome: Outcome }
  | { readonly kind: 'problem'; readonly problem: Problem; readonly present: boolean }
  /** An operator asked something of this member, by REST (`ha: manage`). */
  | { readonly kind: 'request'; readonly request: AgentRequest }
  /** The agent's file was read again; `self` null = it is wrong and nothing changes. `problems`: all that is to be told of it. */
  | { readonly kind: 'reloaded'; readonly self: Self | null; readonly problems: readonly Problem[] }
  /** Nothing but the passing of time. */
  | { readonly kind: 'tick' }
);
