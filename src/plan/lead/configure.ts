import { equal } from '../../base/equal.ts';
import type { ServerPlan } from '../../domain/managed.ts';
import { leadingTerm } from '../../view/lease.ts';
import { freshLook, holdsLeader } from '../../view/select.ts';
import type { View } from '../../view/view.ts';
import type { Intent } from '../intent.ts';
import { act } from '../intent.ts';
import { refusalOf } from '../refusal.ts';

/**
 * PostgreSQL's configuration files are written when they are to say something else than this run of the agent last wrote;
 * what needs a restart is told (`pending_restart`), and waits for the operator's. A primary without a lease is left alone:
 * it is stopped, or its plan is known once it leads.
 */
export function planConfiguration(view: View, plan: ServerPlan): readonly Intent[] {
  const look = freshLook(view);
  if (look === null || view.consul.keys === null || refusalOf(view) !== null) return [];
  if (look.role === 'primary' && leadingTerm(view) === null) return [];
  // What a standby streams from now is not taken out of its files before it is known what comes instead.
  const isOpen = look.role === 'standby' && plan.upstream === null && !view.self.tags.nostream && !holdsLeader(view);
  if (isOpen || equal(view.memory.lead.applied, plan)) return [];
  return [act({ kind: 'configure_server', plan })];
}
