import { expect, test } from 'vitest';
import { toTtlRefusal } from '../../../src/consul/failure.ts';
import { ConsulError, TtlRefusedError } from '../../../src/consul/port.ts';
import { durationSeconds, ttlBounds } from '../../../src/consul/ttl-refusal.ts';

const words = "Invalid Session TTL '3000000000', must be between [10s=24h0m0s]";

test.each([
  [words, 10, 86_400],
  [`rpc error making call: rpc error making call: ${words}`, 10, 86_400],
  [`cannot create a session: Consul answers 500 ${words}`, 10, 86_400],
  ["Invalid Session TTL '1', must be between [1m30s=24h0m0s]", 90, 86_400],
  ["Invalid Session TTL '1', must be between [500ms=1h]", 0.5, 3600],
  ["invalid session ttl '1', must be between [1.5s=2m]", 1.5, 120],
])('the bounds in %j are %d and %d seconds', (text, minSeconds, maxSeconds) => {
  expect(ttlBounds(text)).toEqual({ minSeconds, maxSeconds });
});

test.each([
  '',
  'invalid session "1234"',
  "Invalid Session TTL 'x'",
  words.replace('10s', 'soon'),
  words.replace(']', ''),
])('%j is no refusal of a TTL', (text) => {
  expect(ttlBounds(text)).toBeNull();
  expect(toTtlRefusal(new ConsulError(text, 500))).toBeNull();
});

test('an error with those words becomes a TtlRefusedError', () => {
  const refusal = toTtlRefusal(new ConsulError(`cannot create a session: ${words}`, 500));
  expect(refusal).toBeInstanceOf(TtlRefusedError);
  expect(refusal).toMatchObject({ minSeconds: 10, maxSeconds: 86_400, statusCode: 500 });
});

test.each([
  ['10s', 10],
  ['24h0m0s', 86_400],
  ['1m30s', 90],
  ['1h2m3.5s', 3723.5],
  ['250ms', 0.25],
  ['5µs', 5e-6],
])('%j is %d seconds', (text, seconds) => {
  expect(durationSeconds(text)).toBeCloseTo(seconds, 9);
});

test.each(['', '10', 's', '10 s', '-3s', '1s x', '1d', '10s=24h'])('%j is not a duration', (text) => {
  expect(durationSeconds(text)).toBeNull();
});
