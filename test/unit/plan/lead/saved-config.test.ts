import { describe, expect, test } from 'vitest';
import type { DynamicConfig } from '../../../../src/domain/config.ts';
import type { View } from '../../../../src/view/view.ts';
import { aManagedSelf, leadConfig, managed, managedKeys, term } from '../../../support/lead.ts';
import { actionsOf, after, done, kindsOf } from '../../../support/situations.ts';
import { aKey, sessionOf, systemIdentifier } from '../../../support/turns.ts';

const text = '{"ttl":45}';
const config = leadConfig({}, { ttl: 45 });
const keysWith = (value: DynamicConfig | null, configText: string) => managedKeys({ config: aKey(value), configText });
const lost = managedKeys({ config: null, configText: null });

describe('the configuration beside the data', () => {
  const saved = (view: View) => actionsOf(view, 'save_config').map((action) => action.text);

  test('is written when it is another than the one there, on every member', () => {
    for (const name of ['alpha', 'beta']) {
      const view = managed(name, { keys: keysWith(config, text), lead: { savedConfig: { text: null } } });
      expect(saved(view)).toEqual([text]);
      const over = after(view, [done({ kind: 'save_config', text }, null)]);
      expect(over.memory.lead.savedConfig).toEqual({ text });
      expect(saved(over)).toEqual([]);
    }
  });

  test('stays as it is while it has not been read, and where the one in Consul is wrong or gone', () => {
    expect(saved(managed('beta', { keys: keysWith(config, text), lead: { savedConfig: null } }))).toEqual([]);
    expect(saved(managed('beta', { keys: keysWith(null, '{"ttl":'), lead: { savedConfig: { text } } }))).toEqual([]);
    expect(saved(managed('beta', { keys: lost, lead: { savedConfig: { text } } }))).toEqual([]);
  });

  test('does not come along with a copy', () => {
    const upstream = { member: 'alpha', host: 'alpha.test', port: 5432, slot: null };
    const view = managed('beta', { keys: keysWith(config, text), lead: { savedConfig: { text } } });
    const over = after(view, [
      done({ kind: 'clone', source: upstream, url: 'postgres://alpha.test', methods: [] }, null),
    ]);
    expect(over.memory.lead.savedConfig).toEqual({ text: null });
  });
});

describe('a configuration that Consul has lost', () => {
  const published = (view: View) => actionsOf(view, 'publish_config').map((action) => action.text);
  const bootstrapDcs = '{"ttl":30}';
  const self = { managed: aManagedSelf({ bootstrapDcs }) };
  const paused = leadConfig({}, { pause: true });

  test('is put back by the leader as it last was, in pause too', () => {
    expect(published(managed('alpha', { self, keys: lost, lead: { savedConfig: { text } } }))).toEqual([text]);
    const inPause = managed('alpha', { self, keys: lost, lead: { savedConfig: { text } }, config: paused });
    expect(published(inPause)).toEqual([text]);
    expect(published(managed('beta', { self, keys: lost, lead: { savedConfig: { text } } }))).toEqual([]);
  });

  test('waits until it is known whether there is one on disk; only where there is none the file counts', () => {
    expect(published(managed('alpha', { self, keys: lost, lead: { savedConfig: null } }))).toEqual([]);
    expect(published(managed('alpha', { self, keys: lost, lead: { savedConfig: { text: null } } }))).toEqual([
      bootstrapDcs,
    ]);
    const inPause = managed('alpha', { self, keys: lost, lead: { savedConfig: { text: null } }, config: paused });
    expect(published(inPause)).toEqual([]);
  });

  test('is not that of a new cluster', () => {
    const initialize = aKey('', { session: sessionOf('alpha') });
    const keys = managedKeys({ config: null, configText: null, initialize });
    const view = managed('alpha', { self, keys, lead: { savedConfig: { text } } });
    expect(published(view)).toEqual([bootstrapDcs]);
    // Nobody is told that there is a cluster before its configuration can be changed.
    expect(kindsOf(view)).not.toContain('finish_initialize');
    const both = managedKeys({ config: aKey(config), configText: text, initialize });
    expect(kindsOf(managed('alpha', { self, keys: both }))).toContain('finish_initialize');
  });

  test('counts for an agent that has read no other', () => {
    const notes = { term: null, isUnled: false, configText: text };
    const unread = managed('beta', { view: { config: null } });
    expect(after(unread, [{ kind: 'notes', notes, config }]).config).toBe(config);
    expect(after(managed('beta'), [{ kind: 'notes', notes, config }]).config).not.toBe(config);
  });
});

describe('L7: the term beside the data of a server that already runs', () => {
  const written = { member: 'beta', systemIdentifier, term };
  const noted = (view: View): View =>
    after(view, [{ kind: 'notes', notes: { term: written, isUnled: false, configText: null }, config: null }]);

  test('is what a standby is told by', () => {
    expect(noted(managed('beta')).memory.lead.writtenUnder).toEqual(written);
  });

  test('does not go over what this run knows better', () => {
    expect(noted(managed('alpha')).memory.lead.writtenUnder).toBeNull();
    const later = { ...written, term: 40 };
    expect(noted(managed('beta', { lead: { writtenUnder: later } })).memory.lead.writtenUnder).toEqual(later);
  });
});
