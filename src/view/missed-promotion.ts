import type { ServerLook } from '../domain/server.ts';
import type { Standing, View } from './view.ts';

/**
 * A promotion while no agent ran, or in the moment in which it was started: what the member key of the earlier run says
 * stands for what this run did not see. Only as long as nothing of this timeline is on record.
 */
export function withMissedPromotion(view: View, look: ServerLook): View {
  const { formerSelf, promotion, standing, lastStatus, lastSlotHistory } = view.memory;
  if (formerSelf?.role !== 'replica' || promotion !== null || standing !== null || lastStatus === null) return view;
  if (formerSelf.timeline === null || formerSelf.timeline >= look.timeline) return view;
  if (formerSelf.extras?.systemIdentifier !== look.systemIdentifier) return view;
  if (lastSlotHistory.some((entry) => entry.timeline >= look.timeline)) return view;
  const followed = lastStatus.extras?.logical ?? new Map<string, unknown>();
  const before: Standing = {
    timeline: formerSelf.timeline,
    verdicts: [...formerSelf.slots.values()],
    published: new Map([...lastStatus.slots].filter(([name]) => followed.has(name))),
  };
  return {
    ...view,
    memory: { ...view.memory, promotion: { timeline: look.timeline, atWallMs: view.nowWallMs, before } },
  };
}
