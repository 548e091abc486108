/**
 * What agents use of AbortController and AbortSignal, as Node has them, without what makes those heavy: each is an event
 * target with weak references for the garbage collector to follow, and every simulated call needs one.
 */
class LightAbortSignal {
  aborted = false;
  reason: unknown = undefined;
  readonly #listeners = new Set<() => void>();

  addEventListener(_type: 'abort', listener: () => void): void {
    this.#listeners.add(listener);
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    this.#listeners.delete(listener);
  }

  /** For the controller. Each listener is told once, in the order in which they came; one that is removed meanwhile is not. */
  end(reason: unknown): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    for (const listener of this.#listeners) {
      this.#listeners.delete(listener);
      listener();
    }
  }
}

class LightAbortController {
  readonly signal = new LightAbortSignal();

  abort(reason: unknown = new DOMException('This operation was aborted', 'AbortError')): void {
    this.signal.end(reason);
  }
}

/** For a process that runs nothing but histories. */
export function useLightAborts(): void {
  Object.assign(globalThis, { AbortController: LightAbortController, AbortSignal: LightAbortSignal });
}
