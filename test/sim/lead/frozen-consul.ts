import type { Random } from '../random.ts';
import { SimConsul } from '../sim-consul.ts';
import type { Commit } from '../consul-state.ts';
import type { VirtualTime } from '../virtual-time.ts';
import { Barrier } from './barrier.ts';

/** Requests that piled up are worked off within this time, in no order. */
const pileMs = 300;

/**
 * A Consul whose servers can be stopped and continued (SIGSTOP): what is asked meanwhile waits in the sockets' buffers and
 * takes effect afterwards, also when whoever asked has given up. Sessions whose time has come end then, before, between or
 * after the renewals that waited.
 */
export class FreezableConsul extends SimConsul {
  readonly #works: Barrier;

  constructor(time: VirtualTime, random: Random, onCommit: (commit: Commit) => void) {
    const works = new Barrier(time, () => random.next() * pileMs);
    super(time, random, onCommit, works);
    this.#works = works;
  }

  get isFrozen(): boolean {
    return !this.#works.isOpen;
  }

  freeze(): void {
    this.#works.close();
    // No session ends while nobody counts its time.
    this.running = false;
  }

  thaw(): void {
    this.running = true;
    this.#works.open();
  }
}
