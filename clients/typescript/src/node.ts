import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { createGrpcTransport, createGrpcWebTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { repeating } from "./repeat.js";
import { DEFAULT_TIMEOUT_MS, ordermeshOver, type Options, type Ordermesh } from "./services.js";

export * from "./index.js";

/** The services over connections that stay open, and keep Node running, until they are closed. */
export interface ConnectedOrdermesh extends Ordermesh {
  /** Closes the connections; what is under way fails. */
  close(): void;
}

/** Returns clients for Node, by gRPC over HTTP/2. */
export function ordermeshFromNode({ baseUrl, timeoutMs = DEFAULT_TIMEOUT_MS, retry }: Options): ConnectedOrdermesh {
  const sessionManager = new Http2SessionManager(baseUrl);
  const transport = createGrpcTransport({ baseUrl, sessionManager, defaultTimeoutMs: timeoutMs, interceptors: [repeating(retry)] });
  return { ...ordermeshOver(transport), close: () => sessionManager.abort() };
}

/** Returns clients for Node, by gRPC-Web over HTTP/1.1, where something on the way does not speak HTTP/2. */
export function ordermeshFromNodeByWeb({ baseUrl, timeoutMs = DEFAULT_TIMEOUT_MS, retry }: Options): ConnectedOrdermesh {
  // An agent of its own, since close() must end its connections and nobody else's.
  const agent = new (new URL(baseUrl).protocol === "https:" ? HttpsAgent : HttpAgent)({ keepAlive: true });
  const interceptors = [repeating(retry)];
  const transport = createGrpcWebTransport({ baseUrl, httpVersion: "1.1", nodeOptions: { agent }, defaultTimeoutMs: timeoutMs, interceptors });
  return { ...ordermeshOver(transport), close: () => agent.destroy() };
}
