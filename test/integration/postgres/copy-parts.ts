import type { CopyRequest } from '../../../src/domain/local.ts';
import { connect } from '../../../src/postgres/client.ts';
import type { CopyPlace, CopyWork } from '../../../src/postgres/copy.ts';
import { prepareCopy } from '../../../src/postgres/copy-preparation.ts';
import { dataDirectory } from '../../../src/postgres/data-directory.ts';
import { copyPlace } from '../../../src/postgres/file-copy.ts';
import { createLooker } from '../../../src/postgres/looker.ts';
import type { LocalServerSettings } from '../../../src/postgres/settings.ts';

const never = new AbortController().signal;

/** The parts that a file copy is put together from, so that a test can stop between them or change what is copied. */
export interface CopyParts {
  readonly place: CopyPlace;
  readonly prepare: (request: CopyRequest) => Promise<CopyWork>;
}

export function copyParts(settings: LocalServerSettings): CopyParts {
  const directory = dataDirectory(settings.dataDir ?? '');
  const open = (signal: AbortSignal): ReturnType<typeof connect> =>
    connect(settings.address, settings.credentials, { connectTimeoutMs: 3_000, statementTimeoutMs: 5_000 }, signal);
  const place = copyPlace(settings, directory, open);
  if (place === null) throw new Error('the settings say nothing of how to stop and start the server');
  return {
    place,
    prepare: async (request) => {
      const looker = createLooker(open);
      const connection = await open(never);
      try {
        const ask: Parameters<typeof prepareCopy>[0]['ask'] = (statement, signal) => connection.run(statement, signal);
        const prepared = await prepareCopy({ settings, directory, look: looker.look, ask }, request, never);
        return prepared.work;
      } finally {
        await Promise.all([looker.close(), connection.close()]);
      }
    },
  };
}
