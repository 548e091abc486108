import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { describeError } from '../base/errors.ts';
import type { WatchdogSettings } from './message.ts';

/**
 * The machine's watchdog, which resets it when nothing has written to the device for its timeout: what is left when the
 * lifeline itself cannot run. Its timeout is the driver's: setting it takes an ioctl, which Node has not.
 */
export interface Watchdog {
  /**
   * Why a server may not accept writes for `leaseMs` from now on under this watchdog; null = it may. Opens the device:
   * from then on it has to be fed.
   */
  refusal(leaseMs: number): Promise<string | null>;
  /**
   * Feeds it, if the reset that this puts off would still come within `leaseMs`. A longer timeout is fed in any case where
   * the watchdog is not `required`: it comes late, but better so than never.
   */
  feed(leaseMs: number): void;
  /** Disarms and closes it. */
  close(): void;
}

const feedByte = '\0';
/** Without it the driver takes the close for a crash and goes on counting. */
const magicClose = 'V';

/** `onTrouble`: what keeps it from being used. `sysfs`: where the system shows its watchdogs. */
export function watchdogOf(
  { mode, device }: WatchdogSettings,
  onTrouble: (text: string) => void,
  sysfs = '/sys/class/watchdog',
): Watchdog {
  let opened: { readonly fd: number; readonly timeoutMs: number } | null = null;
  const open = async (): Promise<{ readonly fd: number; readonly timeoutMs: number }> => {
    // Read first: once the device is open, the machine's days are counted.
    const timeoutMs = await timeoutOf(device, sysfs);
    return { fd: openSync(device, constants.O_WRONLY), timeoutMs };
  };
  const write = (text: string): void => {
    try {
      if (opened !== null) writeSync(opened.fd, text);
    } catch (error) {
      onTrouble(`the watchdog ${device} cannot be fed: ${describeError(error)}`);
    }
  };
  return {
    async refusal(leaseMs) {
      if (mode === 'off') return null;
      try {
        opened ??= await open();
      } catch (error) {
        const why = `the watchdog ${device} cannot be used: ${describeError(error)}`;
        if (mode === 'required') return why;
        onTrouble(why);
        return null;
      }
      if (opened.timeoutMs <= leaseMs) return null;
      const seconds = Math.max(1, Math.floor(leaseMs / 1_000));
      const why =
        `the timeout of the watchdog ${device}, ${opened.timeoutMs / 1_000} s, is longer than the lease allows: ` +
        `wdctl --settimeout ${seconds} ${device}`;
      if (mode !== 'required') {
        onTrouble(why);
        return null;
      }
      this.close();
      return why;
    },
    feed(leaseMs) {
      if (opened !== null && (mode !== 'required' || opened.timeoutMs <= leaseMs)) write(feedByte);
    },
    close() {
      if (opened === null) return;
      write(magicClose);
      closeSync(opened.fd);
      opened = null;
    },
  };
}

/** `/dev/watchdog` is the first one, `/dev/watchdog2` is the one of that name. */
async function timeoutOf(device: string, sysfs: string): Promise<number> {
  const name = basename(device);
  const text = await readFile(`${sysfs}/${name === 'watchdog' ? 'watchdog0' : name}/timeout`, 'utf8');
  const seconds = Number.parseInt(text, 10);
  if (!(seconds > 0)) throw new Error(`its timeout is ${JSON.stringify(text.trim())}`);
  return seconds * 1_000;
}
