import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';
import type { Address } from '../../src/sandbox/consul-server.ts';

/** Which half of the conversation a fault is in. */
export type Direction = 'to server' | 'to client';

const directions: readonly Direction[] = ['to server', 'to client'];

interface Flow {
  delayMs: number;
  held: boolean;
}

interface Link {
  readonly client: Socket;
  readonly server: Socket;
  readonly pumps: readonly Pump[];
}

/** Stands between a client and a server, and does to their connections what networks do. */
export class Proxy {
  readonly address: Address;
  readonly #target: Address;
  readonly #listener: Server;
  readonly #flows: Readonly<Record<Direction, Flow>> = {
    'to server': { delayMs: 0, held: false },
    'to client': { delayMs: 0, held: false },
  };
  readonly #links = new Set<Link>();

  private constructor(target: Address, listener: Server) {
    this.#target = target;
    this.#listener = listener;
    this.address = { host: '127.0.0.1', port: (listener.address() as AddressInfo).port };
    listener.on('connection', (client) => this.#link(client));
  }

  static async to(target: Address): Promise<Proxy> {
    // half-open: the end of one direction is passed on and does not close the other
    const listener = createServer({ allowHalfOpen: true, noDelay: true });
    await listen(listener, 0);
    return new Proxy(target, listener);
  }

  get connections(): number {
    return this.#links.size;
  }

  /** Everything arrives that much later, in order; what is under way already keeps its time. */
  delay(delayMs: number, direction?: Direction): void {
    for (const each of this.#chosen(direction)) this.#flows[each].delayMs = delayMs;
  }

  /**
   * Nothing arrives any more, and nobody is told: as behind a firewall that drops packets. New connections are taken
   * and get no answer. As with TCP, what was sent meanwhile arrives after `heal`.
   */
  blackHole(direction?: Direction): void {
    for (const each of this.#chosen(direction)) this.#flows[each].held = true;
    this.#nudge();
  }

  /** Resets every connection that there is; new ones are taken. */
  cut(): void {
    for (const { client, server } of this.#links) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
    this.#links.clear();
  }

  /** Resets every connection and refuses new ones. */
  async refuse(): Promise<void> {
    if (!this.#listener.listening) return;
    const closed = new Promise<void>((resolve) => this.#listener.close(() => resolve()));
    this.cut();
    await closed;
  }

  /** No faults any more; on the same port as before. */
  async heal(): Promise<void> {
    for (const each of directions) {
      this.#flows[each].delayMs = 0;
      this.#flows[each].held = false;
    }
    if (!this.#listener.listening) await listen(this.#listener, this.address.port);
    this.#nudge();
  }

  async close(): Promise<void> {
    await this.refuse();
  }

  #chosen(direction: Direction | undefined): readonly Direction[] {
    return direction === undefined ? directions : [direction];
  }

  #nudge(): void {
    for (const { pumps } of this.#links) for (const pump of pumps) pump.move();
  }

  #link(client: Socket): void {
    const server = connect({ ...this.#target, allowHalfOpen: true, noDelay: true });
    const pumps = [
      new Pump(client, server, this.#flows['to server']),
      new Pump(server, client, this.#flows['to client']),
    ];
    const link: Link = { client, server, pumps };
    this.#links.add(link);
    const end = (): void => {
      this.#links.delete(link);
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      // a server that refuses or resets shall look like that to the client as well
      socket.on('error', () => {
        client.resetAndDestroy();
        server.resetAndDestroy();
        end();
      });
      socket.on('close', () => {
        if (client.destroyed && server.destroyed) end();
      });
    }
  }
}

/** One direction of one connection. */
class Pump {
  readonly #from: Socket;
  readonly #into: Socket;
  readonly #flow: Flow;
  readonly #waiting: { readonly chunk: Buffer | 'end'; readonly dueAt: number }[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(from: Socket, into: Socket, flow: Flow) {
    this.#from = from;
    this.#into = into;
    this.#flow = flow;
    from.on('data', (chunk: Buffer) => this.#take(chunk));
    from.on('end', () => this.#take('end'));
    from.on('close', () => clearTimeout(this.#timer));
    into.on('drain', () => this.move());
  }

  #take(chunk: Buffer | 'end'): void {
    this.#waiting.push({ chunk, dueAt: performance.now() + this.#flow.delayMs });
    this.move();
  }

  move(): void {
    clearTimeout(this.#timer);
    // held back like by a full window: the sender's own buffers fill up
    if (this.#flow.held || this.#into.writableNeedDrain) {
      this.#from.pause();
      return;
    }
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const waitMs = next.dueAt - performance.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.move(), waitMs);
        break;
      }
      this.#waiting.shift();
      if (next.chunk === 'end') this.#into.end();
      else this.#into.write(next.chunk);
    }
    this.#from.resume();
  }
}

function listen(listener: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    listener.once('error', reject);
    listener.listen({ host: '127.0.0.1', port }, () => {
      listener.off('error', reject);
      resolve();
    });
  });
}
