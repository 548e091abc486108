import { equal } from '../../base/equal.ts';
import type { Term } from '../../domain/lead.ts';
import { leadingTerm } from '../../view/lease.ts';
import { freshLook, sessionId } from '../../view/select.ts';
import { standbyClusterOf } from '../../view/standby-cluster.ts';
import type { View } from '../../view/view.ts';
import type { Intent } from '../intent.ts';
import { act } from '../intent.ts';

/**
 * The list of leaderships (L7): a leader puts its term there before its server may accept a write, and once more with the
 * timeline and where that begins. A standby cluster's leader lets nobody write, so it is not listed.
 */
export function planTerms(view: View): readonly Intent[] {
  const session = sessionId(view);
  const wanted = wantedTerms(view);
  if (session === null || wanted === null) return [];
  const index = view.consul.keys?.terms?.modifyIndex ?? 0;
  return [act({ kind: 'publish_terms', session, terms: wanted, index })];
}

/** Whether the term is listed, as last read. */
export function isListed(view: View, term: number): boolean {
  return view.consul.keys?.terms?.value?.some((entry) => entry.term === term) === true;
}

/** Under which term the server may accept writes is written beside its data also where it went on through a new one. */
export function planTermRecord(view: View): readonly Intent[] {
  const term = leadingTerm(view);
  if (term === null || freshLook(view)?.role !== 'primary' || !isListed(view, term)) return [];
  return view.memory.lead.recordedTerm === term ? [] : [act({ kind: 'record_term', term })];
}

/** The list as it is to be; null = it is right. */
function wantedTerms(view: View): readonly Term[] | null {
  const term = leadingTerm(view);
  if (term === null || standbyClusterOf(view) !== null) return null;
  const before = view.consul.keys?.terms?.value ?? [];
  const own = before.find((entry) => entry.term === term) ?? null;
  const wanted = { term, leader: view.self.name, ...timelineOf(view) };
  // A server that does not answer says nothing new; what was listed of it stays.
  if (own !== null && (wanted.timeline === null || equal(own, wanted))) return null;
  const others = before.filter((entry) => entry.term !== term);
  return [...others, wanted].toSorted((a, b) => a.term - b.term);
}

function timelineOf(view: View): Pick<Term, 'timeline' | 'from'> {
  const look = freshLook(view);
  const { history } = view.local;
  const isRead = look?.role === 'primary' && (look.timeline === 1 || history?.timeline === look.timeline);
  if (!isRead) return { timeline: null, from: null };
  return { timeline: look.timeline, from: look.timeline === 1 ? null : (history?.switches.at(-1)?.lsn ?? null) };
}
