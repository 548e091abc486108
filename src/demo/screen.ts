/** Where the demo writes: sentences that stay, and below them, on a terminal, one table that is kept up to date. */
export interface Screen {
  /** A sentence that stays. */
  say(line: string): void;
  /** The table as it is now. Without a terminal it is printed only when it says something new, and not too often. */
  show(lines: readonly string[]): void;
  /** Takes the table away. */
  clear(): void;
}

const plainEveryMs = 2_000;

export function createScreen(output: NodeJS.WriteStream): Screen {
  return output.isTTY ? terminal(output) : plain(output);
}

function terminal(output: NodeJS.WriteStream): Screen {
  let shown: readonly string[] = [];
  const erase = (): void => {
    if (shown.length > 0) output.write(`\u001b[${shown.length}A\u001b[0J`);
    shown = [];
  };
  const draw = (lines: readonly string[]): void => {
    const width = Math.max(20, output.columns);
    for (const line of lines) output.write(`${line.slice(0, width - 1)}\n`);
    shown = lines;
  };
  return {
    say: (line) => {
      const table = shown;
      erase();
      output.write(`${line}\n`);
      draw(table);
    },
    show: (lines) => {
      erase();
      draw(lines);
    },
    clear: erase,
  };
}

function plain(output: NodeJS.WriteStream): Screen {
  let last = '';
  let lastAtMs = -Infinity;
  return {
    say: (line) => output.write(`${line}\n`),
    show: (lines) => {
      const text = lines.join('\n');
      if (text === last || performance.now() - lastAtMs < plainEveryMs) return;
      last = text;
      lastAtMs = performance.now();
      output.write(`${text}\n`);
    },
    clear: () => undefined,
  };
}
