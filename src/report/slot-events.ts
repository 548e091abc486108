import type { Gap, SlotVerdict } from '../domain/slot.ts';
import type { View } from '../view/view.ts';
import type { AgentEvent } from './event.ts';
import { withoutNumbers } from './loudness.ts';

/** What is new about the slots: verdicts, gaps, and what a promotion found. */
export function slotEventsBetween(before: View | null, next: View): AgentEvent[] {
  return [
    ...verdictEvents(before?.verdicts ?? [], next.verdicts),
    ...promotionEvents(before, next),
    ...gapEvents(before, next),
  ];
}

function verdictEvents(before: readonly SlotVerdict[], next: readonly SlotVerdict[]): AgentEvent[] {
  if (before === next) return [];
  const was = new Map(before.map((verdict) => [verdict.slot, verdict]));
  const is = new Map(next.map((verdict) => [verdict.slot, verdict]));
  const events: AgentEvent[] = [];
  for (const [slot, { verdict, position }] of is) {
    const from = was.get(slot) ?? null;
    if (from !== null && meaningOf(from) === meaningOf({ verdict })) continue;
    events.push({ kind: 'slot_verdict_changed', slot, from: from?.verdict.kind ?? null, to: verdict, position });
  }
  for (const [slot, { verdict }] of was) {
    if (is.has(slot)) continue;
    events.push({ kind: 'slot_verdict_changed', slot, from: verdict.kind, to: null, position: null });
  }
  return events;
}

/** Positions and ids in a reason move all the time; that is no change of the verdict. */
function meaningOf({ verdict }: Pick<SlotVerdict, 'verdict'>): string {
  return verdict.kind === 'ready' ? verdict.kind : `${verdict.kind} ${withoutNumbers(verdict.reason)}`;
}

function promotionEvents(before: View | null, next: View): AgentEvent[] {
  const { promotion } = next.memory;
  if (promotion === null || promotion.timeline === before?.memory.promotion?.timeline) return [];
  const logical = promotion.before.verdicts.filter(({ type }) => type === 'logical');
  // Left-over slots have no consumer here: their fate is nobody's loss.
  const unready = logical.filter(({ verdict }) => verdict.kind !== 'ready' && verdict.kind !== 'orphan');
  return [{ kind: 'promoted', timeline: promotion.timeline, slots: logical.length, unready }];
}

/** Slots that are lost now, also at the start of the agent; and gaps that were recorded since. */
function gapEvents(before: View | null, next: View): AgentEvent[] {
  const known = new Set([...openGaps(before), ...recordedGaps(before)].map(nameOf));
  const recorded = before?.consul.keys == null ? [] : recordedGaps(next);
  const fresh = new Map([...openGaps(next), ...recorded].map((gap) => [nameOf(gap), gap]));
  return [...fresh].filter(([name]) => !known.has(name)).map(([, gap]) => ({ kind: 'slot_lost', gap }));
}

function openGaps(view: View | null): readonly Gap[] {
  const lost = view?.consul.keys?.status?.value?.extras?.lost ?? new Map<string, { from: bigint; why: string }>();
  return [...lost].map(([slot, { from, why }]) => ({ slot, from, to: null, why }));
}

function recordedGaps(view: View | null): readonly Gap[] {
  return (view?.consul.keys?.slotHistory?.value ?? []).flatMap((entry) => entry.gaps);
}

function nameOf(gap: Gap): string {
  return `${gap.slot} ${gap.from} ${gap.to ?? 'open'}`;
}
