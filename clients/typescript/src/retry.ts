import { clone, type DescMessage, type Message } from "@bufbuild/protobuf";
import { Code, type Interceptor } from "@connectrpc/connect";
import { failureOf } from "./errors.js";

/** Number of attempts and backoff: pauses double from the first to the longest, half of each random. */
export interface RetryPolicy {
  readonly attempts: number;
  readonly firstPauseMs: number;
  readonly longestPauseMs: number;
}

export const DEFAULT_RETRY: RetryPolicy = { attempts: 5, firstPauseMs: 50, longestPauseMs: 2_000 };
/** Attempts each call once. */
export const NEVER: RetryPolicy = { ...DEFAULT_RETRY, attempts: 1 };

/**
 * Sets a request id in every call that changes something, unless it has one, and retries calls that failed as
 * unavailable or were refused with a retry delay. So a retry changes nothing twice. Streams are not retried.
 */
export function retryInterceptor(policy: RetryPolicy = DEFAULT_RETRY): Interceptor {
  return (next) => async (call) => {
    if (call.stream) return await next(call);
    const message = clone(call.method.input, call.message);
    setRequestIds(call.method.input, message);
    for (let attempt = 1; ; attempt++) {
      try {
        return await next({ ...call, message });
      } catch (thrown) {
        const { error, retryAfterMs } = failureOf(thrown);
        const overloaded = error.code === Code.ResourceExhausted && retryAfterMs !== undefined;
        const retryable = error.code === Code.Unavailable || overloaded;
        if (!retryable || attempt >= policy.attempts || call.signal.aborted) throw thrown;
        await pause(Math.max(pauseMs(policy, attempt), retryAfterMs ?? 0), call.signal, thrown);
      }
    }
  };
}

/** Sets the request id of a message, and of the messages in its lists, where the field exists and is empty. */
function setRequestIds(type: DescMessage, message: Message): void {
  const fields = message as unknown as Record<string, unknown>;
  for (const field of type.fields) {
    if (field.name === "request_id") fields[field.localName] ||= requestId();
    else if (field.fieldKind === "list" && field.listKind === "message")
      for (const each of fields[field.localName] as Message[]) setRequestIds(field.message, each);
  }
}

/** Returns a new request id; pages served neither by this machine nor over TLS have no randomUUID. */
function requestId(): string {
  if (globalThis.crypto.randomUUID) return globalThis.crypto.randomUUID();
  const bytes = globalThis.crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function pauseMs({ firstPauseMs, longestPauseMs }: RetryPolicy, attempt: number): number {
  return Math.min(firstPauseMs * 2 ** (attempt - 1), longestPauseMs) * (0.5 + Math.random() / 2);
}

/** Waits; rejects with the call's error when its deadline passes or its caller aborts it. */
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
