import { runDemo } from '../demo/demo.ts';
import { exitCodes, type ExitCode } from './exit-code.ts';

/** `slotkeeper demo`: done only when nothing was lost. */
export async function demo(options: {
  readonly json: boolean;
  readonly keep: boolean;
  readonly major?: number;
  readonly rowsPerSecond: number;
}): Promise<ExitCode> {
  const summary = await runDemo({ ...options, output: process.stdout });
  return summary.ok ? exitCodes.ok : exitCodes.failure;
}
