import { describe, expect, it } from 'vitest';
import { patchConfig, setInConfig } from '../../../src/config/patch.ts';

describe("Patroni's patch", () => {
  it.each([
    [{ a: 1 }, { b: 2 }, { a: 1, b: 2 }],
    [{ a: 1 }, { a: null }, {}],
    [{ a: 1 }, { b: null }, { a: 1 }],
    [{ s: { a: {}, b: {} } }, { s: { a: null, c: {} } }, { s: { b: {}, c: {} } }],
    [{ a: 1 }, { a: { b: 1 } }, { a: { b: 1 } }],
    [{ a: { b: 1 } }, { a: [1] }, { a: [1] }],
    [{}, { a: { b: null, c: 1 } }, { a: { b: null, c: 1 } }],
    [{ a: 1 }, { a: { b: null } }, { a: { b: null } }],
    [{ a: {} }, { a: { b: null } }, { a: {} }],
  ])('%j + %j', (config, patch, result) => {
    expect(patchConfig(config, patch)).toEqual(result);
  });

  it('changes neither side and no prototype', () => {
    const config = Object.freeze({ a: Object.freeze({ b: 1 }) });
    const patch = JSON.parse('{"__proto__": {"polluted": true}}') as Record<string, unknown>;
    const patched = patchConfig(config, patch);
    expect(Object.keys(patched)).toEqual(['a', '__proto__']);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});

describe('a single setting', () => {
  it.each([
    [{}, 'ttl', 20, { ttl: 20 }],
    [{}, 'slots.a.type', 'physical', { slots: { a: { type: 'physical' } } }],
    [{ slots: { a: { type: 'physical' } } }, 'slots.a', null, {}],
    [{ slots: { a: {}, b: {} } }, 'slots.a', null, { slots: { b: {} } }],
    [{ slots: 'x' }, 'slots.a', {}, { slots: { a: {} } }],
    [{}, 'postgresql.parameters.pg_stat.max', 1, { postgresql: { parameters: { 'pg_stat.max': 1 } } }],
  ])('%j, %s = %j', (config, path, value, result) => {
    expect(setInConfig(config, path, value)).toEqual(result);
  });
});
