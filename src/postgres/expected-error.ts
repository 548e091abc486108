import { ServerError } from './port.ts';

/** A handler of rejections that takes one SQLSTATE for a result and throws everything else on. */
export function unless<T>(state: string, result: T): (error: unknown) => T {
  return (error) => {
    if (hasState(error, state)) return result;
    throw error;
  };
}

export function hasState(error: unknown, state: string): error is ServerError {
  return error instanceof ServerError && error.sqlstate === state;
}
