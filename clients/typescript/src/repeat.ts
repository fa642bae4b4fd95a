import { clone, type DescMessage, type Message } from "@bufbuild/protobuf";
import { Code, type Interceptor } from "@connectrpc/connect";
import { failureOf } from "./errors.js";

/** How often a call is tried, and the pauses between: doubled from the first to the longest, half of each random. */
export interface RetryPolicy {
  readonly attempts: number;
  readonly firstPauseMs: number;
  readonly longestPauseMs: number;
}

export const DEFAULT_RETRY: RetryPolicy = { attempts: 5, firstPauseMs: 50, longestPauseMs: 2_000 };
/** Makes each call once. */
export const NEVER: RetryPolicy = { ...DEFAULT_RETRY, attempts: 1 };

/**
 * Gives every call that changes something a request id, unless it has one, and makes calls again that ended as
 * unavailable, or were refused with a delay to wait. So a repeated call changes nothing twice. Streams pass as they are.
 */
export function repeating(policy: RetryPolicy = DEFAULT_RETRY): Interceptor {
  return (next) => async (call) => {
    if (call.stream) return await next(call);
    const message = clone(call.method.input, call.message);
    identify(call.method.input, message);
    for (let attempt = 1; ; attempt++) {
      try {
        return await next({ ...call, message });
      } catch (thrown) {
        const { error, retryAfterMs } = failureOf(thrown);
        const mayHelp = error.code === Code.Unavailable || (error.code === Code.ResourceExhausted && retryAfterMs !== undefined);
        if (!mayHelp || attempt >= policy.attempts || call.signal.aborted) throw thrown;
        await pause(Math.max(pauseMs(policy, attempt), retryAfterMs ?? 0), call.signal, thrown);
      }
    }
  };
}

/** Sets the request id of a message, and of those in its lists, where there is the field and it is empty. */
function identify(type: DescMessage, message: Message): void {
  const fields = message as unknown as Record<string, unknown>;
  for (const field of type.fields) {
    if (field.name === "request_id") fields[field.localName] ||= requestId();
    else if (field.fieldKind === "list" && field.listKind === "message")
      for (const each of fields[field.localName] as Message[]) identify(field.message, each);
  }
}

/** Returns a new request id; pages that were not served from this machine or over TLS have no randomUUID. */
function requestId(): string {
  if (globalThis.crypto.randomUUID) return globalThis.crypto.randomUUID();
  return Array.from(globalThis.crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function pauseMs({ firstPauseMs, longestPauseMs }: RetryPolicy, attempt: number): number {
  return Math.min(firstPauseMs * 2 ** (attempt - 1), longestPauseMs) * (0.5 + Math.random() / 2);
}

/** Waits; the end of the call's time, or its caller, ends it with the error that came. */
function pause(milliseconds: number, signal: AbortSignal, thrown: unknown): Promise<void> {
  return new Promise((resolve, reject) => {
    const giveUp = () => {
      clearTimeout(timer);
      reject(thrown);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", giveUp);
      resolve();
    }, milliseconds);
    signal.addEventListener("abort", giveUp, { once: true });
  });
}
