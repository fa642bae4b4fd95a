import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { AnalyticsService } from "./gen/ordermesh/analytics/v1/analytics_pb.js";
import { PipelineService } from "./gen/ordermesh/gateway/v1/pipeline_pb.js";
import { WatchService } from "./gen/ordermesh/gateway/v1/watch_pb.js";
import { InventoryService } from "./gen/ordermesh/orders/v1/inventory_pb.js";
import { OrderService } from "./gen/ordermesh/orders/v1/orders_pb.js";
import { type RetryPolicy } from "./retry.js";

/** The services of the platform over one transport. */
export interface Ordermesh {
  readonly orders: Client<typeof OrderService>;
  readonly inventory: Client<typeof InventoryService>;
  readonly analytics: Client<typeof AnalyticsService>;
  readonly pipeline: Client<typeof PipelineService>;
  readonly watch: Client<typeof WatchService>;
}

/** How to connect. */
export interface Options {
  /** Address of the front proxy, such as http://127.0.0.1:8080. */
  readonly baseUrl: string;
  /** An API key or a token, sent with each call. */
  readonly apiKey?: string;
  /** Default deadline of a call in milliseconds; a call overrides it with `timeoutMs` (0: none, as a watch needs). */
  readonly timeoutMs?: number;
  /** How often a call is attempted; `NEVER`: once. */
  readonly retry?: RetryPolicy;
}

export const DEFAULT_TIMEOUT_MS = 10_000;

/** Returns clients of all services over any Connect transport; `retryInterceptor` adds request ids and retries. */
export function ordermeshOver(transport: Transport): Ordermesh {
  return {
    orders: createClient(OrderService, transport),
    inventory: createClient(InventoryService, transport),
    analytics: createClient(AnalyticsService, transport),
    pipeline: createClient(PipelineService, transport),
    watch: createClient(WatchService, transport),
  };
}
