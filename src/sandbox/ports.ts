import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import process from 'node:process';

// Below the range from which the system takes the ports of outgoing connections: a server that a test kills and starts
// again on its port would otherwise find it taken by some client now and then.
const firstPort = 10_240;
const lastPort = 31_999;

// Several test processes look for ports at the same time, and there is a moment between the probe and the server's own
// bind. Processes that run together have near pids, so each begins in a block of its own.
const blockSize = 64;
const blocks = Math.floor((lastPort - firstPort + 1) / blockSize);

const handedOut = new Set<number>();

/** A loopback port that is free for TCP and UDP and that this process has not handed out before. */
export async function freePort(): Promise<number> {
  const start = (process.pid % blocks) * blockSize;
  const size = blocks * blockSize;
  for (let step = 0; step < size; step += 1) {
    const port = firstPort + ((start + step) % size);
    if (handedOut.has(port)) continue;
    handedOut.add(port);
    if ((await isFreeForTcp(port)) && (await isFreeForUdp(port))) return port;
  }
  throw new Error(`no free port between ${firstPort} and ${lastPort}`);
}

function isFreeForTcp(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ host: '127.0.0.1', port, exclusive: true }, () => probe.close(() => resolve(true)));
  });
}

function isFreeForUdp(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createSocket('udp4');
    probe.once('error', () => {
      probe.close();
      resolve(false);
    });
    probe.bind({ address: '127.0.0.1', port, exclusive: true }, () => probe.close(() => resolve(true)));
  });
}
