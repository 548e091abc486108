import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { decodeDynamicConfig } from '../../../src/config/dynamic.ts';
import { encodeSlotHistory } from '../../../src/consul/codec/history.ts';
import { encodeMember } from '../../../src/consul/codec/member.ts';
import { encodeStatus } from '../../../src/consul/codec/status.ts';
import { decoded, entry, keys } from './entries.ts';

const folder = new URL('../../../consul/', import.meta.url);
const contract = readFileSync(new URL('KEYS.md', folder), 'utf8');

/** The JSON example below a heading of KEYS.md. */
function example(heading: string): string {
  const section = contract.split(/^## /m).find((part) => part.startsWith(heading)) ?? '';
  return /```json\n(.*?)```/s.exec(section)?.[1] ?? '';
}

test('the examples of the key contract are what slotkeeper writes', () => {
  const all = decoded(
    entry('members/node2', example('members/')),
    entry('status', example('status')),
    entry('slot_history', example('slot_history')),
  );
  const member = all.members.get('node2');
  expect([member?.problem, all.status?.problem, all.slotHistory?.problem]).toEqual([null, null, null]);
  expect(JSON.parse(encodeMember(member!.value!))).toEqual(JSON.parse(example('members/')));
  expect(JSON.parse(encodeStatus(all.status!.value!))).toEqual(JSON.parse(example('status')));
  expect(JSON.parse(encodeSlotHistory(all.slotHistory!.value!))).toEqual(JSON.parse(example('slot_history')));
});

test('the contract names every key', () => {
  const { prefix, membersPrefix, ...names } = keys;
  for (const path of [...Object.values(names), `${membersPrefix}<name>`]) {
    expect(contract).toContain(`| \`${path.slice(prefix.length)}\``);
  }
});

test('the seed configuration is right', () => {
  const { config, problems } = decodeDynamicConfig(readFileSync(new URL('config.json', folder), 'utf8'));
  expect(problems).toEqual([]);
  expect([...(config?.slots.keys() ?? [])]).toEqual(['orders']);
});
