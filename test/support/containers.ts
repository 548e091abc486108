import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import type { Progress } from '../../src/sandbox/binaries.ts';
import type { Address } from '../../src/sandbox/consul-server.ts';
import type { Sandbox } from '../../src/sandbox/processes.ts';

export interface ContainerOptions {
  readonly image: string;
  readonly port: number;
  readonly command: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

/** `undefined`, having said why, where no Docker engine answers or the image cannot be had: there are other sources. */
export async function startContainer(
  sandbox: Sandbox,
  tell: Progress,
  { image, port, command, environment = {} }: ContainerOptions,
): Promise<Address | undefined> {
  if (!mayHaveDocker()) return undefined;
  // slow to load, and of use only here
  const { GenericContainer, Wait, getContainerRuntimeClient } = await import('testcontainers');
  try {
    await getContainerRuntimeClient();
  } catch (error) {
    tell(`no Docker engine answers (${messageOf(error)})`);
    return undefined;
  }
  try {
    const container = await new GenericContainer(image)
      .withExposedPorts(port)
      .withEnvironment({ ...environment })
      .withCommand([...command])
      .withWaitStrategy(Wait.forListeningPorts())
      .withStartupTimeout(120_000)
      .start();
    sandbox.atClose(async () => {
      await container.stop();
    });
    return { host: container.getHost(), port: container.getMappedPort(port) };
  } catch (error) {
    tell(`Docker image ${image} does not start (${messageOf(error)})`);
    return undefined;
  }
}

function mayHaveDocker(): boolean {
  const { DOCKER_HOST: host, XDG_RUNTIME_DIR: runtime } = process.env;
  const sockets = ['/var/run/docker.sock', join(homedir(), '.docker', 'run', 'docker.sock')];
  if (runtime !== undefined) sockets.push(join(runtime, 'docker.sock'));
  return (host !== undefined && host !== '') || sockets.some((socket) => existsSync(socket));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
