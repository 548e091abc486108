import { expect, test } from 'vitest';
import { checkStateOf, describeVerdict } from '../../../src/domain/check.ts';
import type { SlotVerdict, Verdict } from '../../../src/domain/slot.ts';

const verdictOf = (slot: string, verdict: Verdict): SlotVerdict => ({ slot, type: 'logical', verdict, position: null });
const ready = verdictOf('a', { kind: 'ready' });
const behind = verdictOf('b', { kind: 'not_ready', reason: 'not on this standby yet' });
const ahead = verdictOf('c', { kind: 'ahead', reason: 'at 0/20' });
const orphan = verdictOf('d', { kind: 'orphan', reason: 'the primary has no such slot' });
const lost = verdictOf('e', { kind: 'lost', reason: 'its WAL was removed' });

test.each([
  ['no slots', [], 'passing', 'no slots to keep on this member'],
  ['all ready', [ready, ready], 'passing', '2 of 2 slots ready'],
  ['one not ready', [ready, behind], 'warning', '1 of 2 slots ready\nb: not ready (not on this standby yet)'],
  ['one ahead', [ahead], 'warning', '0 of 1 slots ready\nc: ahead of the primary (at 0/20)'],
  ['one left over', [orphan], 'warning', '0 of 1 slots ready\nd: not followed any more (the primary has no such slot)'],
  [
    'the worst first',
    [ready, behind, lost],
    'critical',
    '1 of 3 slots ready\ne: lost (its WAL was removed)\nb: not ready (not on this standby yet)',
  ],
])('%s', (_what, verdicts, status, output) => {
  expect(checkStateOf(verdicts)).toEqual({ status, output });
});

test('what Consul would cut off is counted instead, and the lost slots are never among it', () => {
  const many = Array.from({ length: 200 }, (_, i) =>
    verdictOf(`slot_${i}`, { kind: 'not_ready', reason: 'x'.repeat(40) }),
  );
  const { status, output } = checkStateOf([...many, lost]);
  expect(status).toBe('critical');
  expect(output.length).toBeLessThanOrEqual(4_096);
  const lines = output.split('\n');
  expect(lines[1]).toBe('e: lost (its WAL was removed)');
  const named = lines.filter((line) => line.includes(':')).length;
  expect(lines.at(-1)).toBe(`and ${201 - named} more`);
});

test('a verdict in words', () => {
  expect(describeVerdict(ready)).toBe('a: ready');
  expect(describeVerdict(behind)).toBe('b: not ready (not on this standby yet)');
});
