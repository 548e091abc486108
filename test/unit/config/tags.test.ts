import { describe, expect, it } from 'vitest';
import { wrong, type Finding } from '../../../src/config/field.ts';
import { tagsSection } from '../../../src/config/sections/tags.ts';
import type { Tags } from '../../../src/domain/config.ts';
import { tagsFrom } from '../../../src/domain/tags.ts';

function read(section: unknown): { readonly tags: Tags | typeof wrong; readonly findings: readonly Finding[] } {
  const findings: Finding[] = [];
  const tags = tagsSection(section, { path: ['tags'], secret: false, report: (finding) => findings.push(finding) });
  return { tags, findings };
}

describe('the tags of a file', () => {
  it.each([
    [{ nofailover: 'true' }, { nofailover: true, raw: { nofailover: true } }],
    [{ nofailover: 'no', clonefrom: 'off', nosync: 0, noloadbalance: false, nostream: 'off' }, { raw: {} }],
    [
      { clonefrom: 'on', nosync: '1', nostream: 'yes' },
      { clonefrom: true, nosync: true, nostream: true },
    ],
    [
      { nofailover: null, noloadbalance: 'yes' },
      { nofailover: false, raw: { noloadbalance: true } },
    ],
    [{ failover_priority: '5' }, { nofailover: false, failoverPriority: 5, raw: { failover_priority: '5' } }],
    [{ failover_priority: 0 }, { nofailover: true, failoverPriority: 0 }],
    [{ sync_priority: 0 }, { nosync: true, syncPriority: 0 }],
    [{ sync_priority: 2 }, { nosync: false, syncPriority: 2 }],
    [{ replicatefrom: 'beta' }, { replicatefrom: 'beta' }],
    [{ replicatefrom: '' }, { replicatefrom: null }],
    [{ zone: 'a', rack: 3 }, { raw: { zone: 'a', rack: 3 } }],
  ])('%j', (section, expected) => {
    const { tags, findings } = read(section);
    expect(tags).toMatchObject(expected);
    expect(findings).toEqual([]);
  });

  it.each([
    [{ nofailover: false, failover_priority: 0 }, { nofailover: false, failoverPriority: 1 }, 'failover_priority'],
    [{ nofailover: true, failover_priority: 3 }, { nofailover: true, failoverPriority: 0 }, 'failover_priority'],
    [{ nosync: 'off', sync_priority: 0 }, { nosync: false }, 'sync_priority'],
  ])('let the flag win over the number, and say so: %j', (section, expected, told) => {
    const { tags, findings } = read(section);
    expect(tags).toMatchObject(expected);
    expect(findings).toEqual([expect.objectContaining({ kind: 'adjusted', path: ['tags', told] })]);
    // Whoever reads the member key comes to the same.
    expect(tags === wrong ? null : tagsFrom(tags.raw)).toEqual(tags);
  });

  it.each([[{ nofailover: 'perhaps' }], [{ failover_priority: 'high' }], [['nofailover']], ['nofailover']])(
    'refuses %j',
    (section) => {
      expect(read(section).tags).toBe(wrong);
    },
  );
});
