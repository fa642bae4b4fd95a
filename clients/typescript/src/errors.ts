import { ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "./gen/google/rpc/error_details_pb.js";
import { ErrorReason } from "./gen/ordermesh/orders/v1/errors_pb.js";

/** One invalid field: its path and the rule that it breaks. */
export interface Violation {
  readonly field: string;
  readonly description: string;
}

/** The details of a failed call. */
export interface Failure {
  readonly error: ConnectError;
  /** ERROR_REASON_UNSPECIFIED when there is none, or one that this version does not know. */
  readonly reason: ErrorReason;
  readonly metadata: Readonly<Record<string, string>>;
  readonly violations: readonly Violation[];
  /** How long to wait before a retry; undefined when the server gave no delay. */
  readonly retryAfterMs: number | undefined;
  /** The trace id, to find the call in the platform's logs; empty without a response. */
  readonly traceId: string;
}

/** Returns the details of anything that a call threw. */
export function failureOf(thrown: unknown): Failure {
  const error = ConnectError.from(thrown);
  const info = error.findDetails(ErrorInfoSchema)[0];
  const delay = error.findDetails(RetryInfoSchema)[0]?.retryDelay;
  return {
    error,
    reason: ErrorReason[(info?.reason ?? "") as keyof typeof ErrorReason] ?? ErrorReason.ERROR_REASON_UNSPECIFIED,
    metadata: info?.metadata ?? {},
    violations: error.findDetails(BadRequestSchema).flatMap((request) => request.fieldViolations),
    retryAfterMs: delay && Number(delay.seconds) * 1_000 + delay.nanos / 1_000_000,
    traceId: error.metadata.get("traceparent")?.split("-")[1] ?? "",
  };
}
