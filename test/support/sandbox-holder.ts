// A program with servers of its own, for the test of what is left when it ends: says what it has, and waits.

import { startConsul } from '../../src/sandbox/consul-server.ts';
import { findConsul, findPostgres } from '../../src/sandbox/locate.ts';
import { startPrimary } from '../../src/sandbox/postgres-server.ts';
import { Sandbox } from '../../src/sandbox/processes.ts';
import { childrenOf } from '../../src/sandbox/system.ts';

const sandbox = await Sandbox.open();
const consul = await startConsul(sandbox, { consul: await findConsul(), mode: 'dev' });
const server = await startPrimary(sandbox, { name: 'primary', postgres: await findPostgres(undefined) });
const postmaster = (await server.postmasterPid()) ?? 0;
const pids = [consul.pid, postmaster, ...(await childrenOf(postmaster))];
console.log(JSON.stringify({ folder: sandbox.folder, pids }));
// a timer, since nothing else here would keep it alive
setInterval(() => undefined, 60_000);
