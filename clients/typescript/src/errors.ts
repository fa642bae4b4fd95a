import { ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "./gen/google/rpc/error_details_pb.js";
import { ErrorReason } from "./gen/ordermesh/orders/v1/errors_pb.js";

/** One invalid field: its path and what would be right. */
export interface Violation {
  readonly field: string;
  readonly description: string;
}

/** What the platform said about a call that failed. */
export interface Failure {
  readonly error: ConnectError;
  /** ERROR_REASON_UNSPECIFIED when none came, or one that this version does not know. */
  readonly reason: ErrorReason;
  readonly metadata: Readonly<Record<string, string>>;
  readonly violations: readonly Violation[];
  /** How long to wait before another try; undefined when the platform does not say. */
  readonly retryAfterMs: number | undefined;
  /** Finds the call in the platform's logs; empty when no answer came. */
  readonly traceId: string;
}

/** Reads the details of anything that a call threw. */
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
