import { choice, isAbsent, object, optional, text, unused, wrong, type Field } from '../field.ts';

/** The Linux watchdog that resets the machine when nobody is left to fence; the section `watchdog`. */
export interface WatchdogConfig {
  /** `automatic`: where there is one; `required`: a server without it does not lead. */
  readonly mode: 'off' | 'automatic' | 'required';
  readonly device: string;
}

const modes = {
  off: 'off',
  automatic: 'automatic',
  auto: 'automatic',
  required: 'required',
  require: 'required',
} as const;

/** YAML's `off` may have become a truth value. */
const mode: Field<WatchdogConfig['mode']> = (value, place) => {
  if (value === false) return 'off';
  const read = choice('off', 'automatic', 'required', 'auto', 'require')(value, place);
  return read === wrong ? wrong : modes[read];
};

const declaration = object(
  {
    mode: optional(mode, 'automatic'),
    device: optional(
      text('an absolute path', (raw) => raw.startsWith('/')),
      '/dev/watchdog',
    ),
    // It is fed for as long as the lease lasts: its own timeout has to be shorter than that.
    safety_margin: unused,
    driver: optional(choice('default'), 'default'),
  },
  'tell',
);

/** The section `watchdog`; without it a watchdog is used where there is one, as in Patroni. */
export const watchdogSection: Field<WatchdogConfig> = (value, place) => {
  const read = declaration(isAbsent(value) ? {} : value, place);
  return read === wrong ? wrong : { mode: read.mode, device: read.device };
};
