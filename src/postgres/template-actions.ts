import { advance } from './advance.ts';
import { unless } from './expected-error.ts';
import type { Pool } from './pool.ts';
import { type LocalServer, ServerError } from './port.ts';
import { type Ask, requireMajor } from './required-version.ts';
import { type CopyObstacle, copyFromTemplate } from './sql/copy-from-template.ts';
import { logStandbySnapshot } from './sql/log-standby-snapshot.ts';
import { sqlstate } from './sqlstate.ts';

export type TemplateActions = Pick<LocalServer, 'copyFromTemplate' | 'logStandbySnapshot'>;

const obstacles: Readonly<Record<CopyObstacle, string>> = {
  not_a_standby: 'the server is not a standby any more',
  template_gone: 'there is no such template, or it is still being made',
  template_ahead: 'the template has passed the position that the copy is to have',
};

/** What templates need: both came with PostgreSQL 16. `ask` goes to any database. */
export function templateActions(pool: Pool, ask: Ask): TemplateActions {
  return {
    copyFromTemplate: async (slot, signal) => {
      const what = `copy slot ${slot.template} as ${slot.name}`;
      await requireMajor(ask, 16, what, signal);
      // Somebody else has just made it: it is advanced like any slot that exists.
      const obstacle = await pool
        .run(slot.database, copyFromTemplate(slot), signal)
        .catch(unless(sqlstate.duplicateObject, null));
      if (obstacle !== null) {
        const state = obstacle === 'template_gone' ? sqlstate.undefinedObject : sqlstate.objectNotInPrerequisiteState;
        throw new ServerError(`${what}: ${obstacles[obstacle]}`, 'refused', state);
      }
      const { name, target } = slot;
      return advance(pool, slot.database, { name, type: 'logical', target }, signal);
    },
    logStandbySnapshot: async (signal) => {
      await requireMajor(ask, 16, 'log the running transactions', signal);
      await ask(logStandbySnapshot(), signal);
    },
  };
}
