#!/usr/bin/env node
import { constants } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import { explainFailure } from './cli/failure.ts';
import { processTerminal } from './cli/terminal.ts';

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // The first asks, the second forces.
    if (stop.signal.aborted) process.exit(128 + constants.signals[signal]);
    stop.abort();
  });
}

const words = process.argv.slice(2);
const terminal = processTerminal(process, stop.signal);
try {
  process.exitCode = await run();
} catch (error) {
  process.exitCode = explainFailure(error, terminal, words.includes('--debug'));
}

async function run(): Promise<number> {
  const [command, configFile, ...rest] = words;
  const ha = haOf(rest);
  if (command === 'agent' && configFile !== undefined && !configFile.startsWith('-') && ha !== undefined) {
    // Agents run for months on every database host: they do without the library that reads command lines (8 MiB), and
    // V8 shall collect young objects a little more often instead of growing their space (6 MiB and more).
    setFlagsFromString('--semi-space-growth-factor=1');
    return (await import('./cli/agent.ts')).agent({ configFile, ha }, terminal);
  }
  return (await import('./cli/command-line.ts')).runCommandLine(words, terminal);
}

/** What `--ha` says, alone behind the file's name; null = nothing is there, undefined = something else is. */
function haOf(words: readonly string[]): string | null | undefined {
  if (words.length === 0) return null;
  const [, given] = /^--ha[= ]([^- ].*)$/.exec(words.join(' ')) ?? [];
  return given;
}
