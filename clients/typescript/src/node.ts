import { createGrpcTransport, createGrpcWebTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { DEFAULT_TIMEOUT_MS, ordermeshOver, type Options, type Ordermesh } from "./services.js";

export * from "./index.js";

/** The services over a connection that stays open, and keeps Node running, until it is closed. */
export interface ConnectedOrdermesh extends Ordermesh {
  /** Closes the connection; what is under way fails. */
  close(): void;
}

/** Returns clients for Node, by gRPC over HTTP/2. */
export function ordermeshFromNode({ baseUrl, timeoutMs = DEFAULT_TIMEOUT_MS }: Options): ConnectedOrdermesh {
  const sessionManager = new Http2SessionManager(baseUrl);
  const transport = createGrpcTransport({ baseUrl, sessionManager, defaultTimeoutMs: timeoutMs });
  return { ...ordermeshOver(transport), close: () => sessionManager.abort() };
}

/** Returns clients for Node, by gRPC-Web over HTTP/1.1, where something on the way does not speak HTTP/2. */
export function ordermeshFromNodeByWeb({ baseUrl, timeoutMs = DEFAULT_TIMEOUT_MS }: Options): Ordermesh {
  return ordermeshOver(createGrpcWebTransport({ baseUrl, httpVersion: "1.1", defaultTimeoutMs: timeoutMs }));
}
