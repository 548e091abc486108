import { expect, test } from 'vitest';
import { plan } from '../../../src/plan/plan.ts';
import type { AgentEvent } from '../../../src/report/event.ts';
import { eventsBetween } from '../../../src/report/events.ts';
import { metricsPage, outcomeTally } from '../../../src/report/metrics.ts';
import { fieldsOf, wordsOf } from '../../../src/report/wording.ts';
import type { View } from '../../../src/view/view.ts';
import {
  aGateLook,
  aGateView,
  aRun,
  dead,
  gateConfig,
  gateRun,
  graceSeconds,
  steps,
  withGamma,
} from '../../support/gate.ts';
import { after } from '../../support/situations.ts';
import { nowMs, nowWallMs } from '../../support/turns.ts';

const turn = (view: View) => ({ view, plan: plan(view) });
const said = (before: View, next: View): readonly AgentEvent[] =>
  eventsBetween(turn(before), turn(next)).filter(({ kind }) => kind === 'gate_changed');
const gone = steps(gateRun(), graceSeconds + 1, withGamma(dead)).view;

test('each change of the gate is said, with who is left out and why', () => {
  const begun = said(aGateView(), gateRun().view);
  expect(begun.map((event) => [wordsOf(event).level, fieldsOf(event)])).toEqual([
    ['info', { event: 'gate_changed', to: ['beta', 'gamma'], leftOut: {} }],
  ]);
  const takenOut = said(gateRun().view, gone);
  expect(takenOut.map((event) => [wordsOf(event).level, fieldsOf(event)])).toEqual([
    [
      'warn',
      {
        event: 'gate_changed',
        from: ['beta', 'gamma'],
        to: ['beta'],
        leftOut: { gamma: 'nobody streams through it' },
      },
    ],
  ]);
  const back = said(gone, gateRun().view);
  expect(back.map((event) => [wordsOf(event).level, fieldsOf(event)['to']])).toEqual([['info', ['beta', 'gamma']]]);
});

test('what stays as it is, is not said; nor is a server that does not answer for a while', () => {
  expect(said(gone, steps({ view: gone, look: gone.local.look! }, 5).view)).toEqual([]);
  const away = after(gone, [{ kind: 'server_trouble', trouble: 'timeout', why: 'no answer', copyInterrupted: false }]);
  expect([...said(gone, away), ...said(away, gone)]).toEqual([]);
});

test('where nothing would hold consumers back, nothing is said to do so', () => {
  const old = aRun(aGateView(), aGateLook({ versionNum: 160_010 }, { synchronizedStandbySlots: null })).view;
  expect(said(aGateView(), old)).toEqual([]);
});

test('metrics: enforced or not, who is waited for and who is not; none where no gate is kept', async () => {
  const samples = async (view: View): Promise<readonly string[]> => {
    const moment = { turn: turn(view), turnAtMs: nowMs, nowMs, nowWallMs };
    const { text } = await metricsPage(moment, outcomeTally());
    return text.split('\n').filter((line) => line.startsWith('slotkeeper_gate_'));
  };
  const labels = 'scope="demo",name="alpha"';
  expect(await samples(gone)).toEqual([
    `slotkeeper_gate_enforced{${labels}} 1`,
    `slotkeeper_gate_slots{${labels}} 1`,
    `slotkeeper_gate_left_out{${labels},slot="gamma"} 1`,
  ]);
  const none = gateConfig({ standbySlotNames: null });
  expect(await samples(aRun(aGateView({ config: none })).view)).toEqual([]);
});
