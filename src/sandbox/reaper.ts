// The last resort. A process that is killed with SIGKILL cannot clean up after itself, so a small shell waits on a pipe
// from it: when the pipe closes, whatever is left of the sandbox is killed and its folder removed. After an orderly
// close it finds nothing to do.

import { spawn } from 'node:child_process';
import type { Writable } from 'node:stream';

// $1: the sandbox's folder. Standard input: pids that were started, one a line. A pid is only killed while its command
// line names the folder, so that one that was given to another process since is safe. Servers that a test's agent
// started again are found by their postmaster.pid, of which the first line is the pid and the seventh ends with the id
// of the shared memory that a killed server leaves behind.
const script = `
pids=
while read -r pid; do pids="$pids $pid"; done
[ -d "$1" ] || exit 0
cd /
segments=
for file in "$1"/*/postmaster.pid "$1"/*/*/postmaster.pid; do
  [ -f "$file" ] || continue
  pids="$pids $(sed -n 1p "$file")"
  segments="$segments $(sed -n '7s/.* //p' "$file")"
done
for pid in $pids; do
  if [ -r "/proc/$pid/cmdline" ]; then line=$(tr '\\0' ' ' < "/proc/$pid/cmdline"); else line=$(ps -o args= -p "$pid"); fi
  case "$line" in *"$1"*) ;; *) continue ;; esac
  kill -STOP "$pid"
  children=$(cat "/proc/$pid/task/$pid/children" || ps -A -o pid=,ppid= | awk -v parent="$pid" '$2 == parent { print $1 }')
  kill -KILL "$pid" $children
done 2>/dev/null
for attempt in 1 2 3 4 5 6 7 8 9 10; do
  rm -rf "$1" 2>/dev/null && break
  sleep 0.3
done
for segment in $segments; do ipcrm -m "$segment"; done 2>/dev/null
`;

export interface Reaper {
  watch(pid: number): void;
  dismiss(): void;
}

export function startReaper(folder: string): Reaper {
  // detached: Ctrl-C reaches every process of the terminal's foreground group, and this one has to outlive it
  const shell = spawn('/bin/sh', ['-c', script, 'slotkeeper-reaper', folder], {
    cwd: '/',
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  const pipe: Writable & { unref?: () => void } = shell.stdin;
  const ignore = (): void => undefined;
  // without a shell there is no last resort, and no reason to fail either
  shell.once('error', ignore);
  pipe.on('error', ignore);
  shell.unref();
  pipe.unref?.();
  return {
    watch: (pid) => pipe.write(`${pid}\n`),
    dismiss: () => pipe.end(),
  };
}
