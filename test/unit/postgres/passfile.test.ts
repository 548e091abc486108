import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { passwordFromFile, passwordIn } from '../../../src/postgres/passfile.ts';

const address = { host: 'db1', port: 5432, database: 'app' };

describe('a password file', () => {
  test.each([
    ['db1:5432:app:me:first\ndb1:5432:app:me:second', 'first'],
    ['# db1:5432:app:me:no\n\n*:*:*:me:yes', 'yes'],
    ['db2:5432:app:me:no\ndb1:5433:app:me:no\ndb1:5432:x:me:no\ndb1:5432:app:you:no', null],
    ['db1:5432:app:me:with\\:colon\\\\and backslash', 'with:colon\\and backslash'],
    ['db1:5432:app:me', null],
    ['db1:5432:app:me:', ''],
    ['db1:*:app:me:windows\r\n', 'windows'],
  ])('%j', (text, password) => {
    expect(passwordIn(text, address, 'me')).toBe(password);
  });

  test('takes localhost for a socket folder', () => {
    expect(passwordIn('localhost:5432:app:me:x', { ...address, host: '/run/postgresql' }, 'me')).toBe('x');
  });

  describe('on disk', () => {
    let folder: string;
    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'slotkeeper-'));
    });
    afterEach(() => rm(folder, { recursive: true }));

    test('is refused when others can read it, without its contents in the message', async () => {
      const file = join(folder, 'pass');
      await writeFile(file, '*:*:*:*:secret');
      await chmod(file, 0o644);
      const reading = passwordFromFile(file, address, 'me');
      await expect(reading).rejects.toThrow(/chmod 0600/);
      await expect(reading).rejects.not.toThrow(/secret/);
      await chmod(file, 0o600);
      expect(await passwordFromFile(file, address, 'me')).toBe('secret');
    });
  });
});
