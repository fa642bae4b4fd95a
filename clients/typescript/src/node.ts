import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { createGrpcTransport, createGrpcWebTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { credentialInterceptor } from "./credential.js";
import { retryInterceptor } from "./retry.js";
import { DEFAULT_TIMEOUT_MS, ordermeshOver, type Options, type Ordermesh } from "./services.js";

export * from "./index.js";

/** The services over connections that stay open, and keep Node running, until they are closed. */
export interface ConnectedOrdermesh extends Ordermesh {
  /** Closes the connections; calls in flight fail. */
  close(): void;
}

/** Returns clients for Node, by gRPC over HTTP/2. */
export function ordermeshFromNode(options: Options): ConnectedOrdermesh {
  const { baseUrl, apiKey, timeoutMs = DEFAULT_TIMEOUT_MS, retry } = options;
  const sessionManager = new Http2SessionManager(baseUrl);
  const interceptors = [retryInterceptor(retry), credentialInterceptor(apiKey)];
  const transport = createGrpcTransport({ baseUrl, sessionManager, defaultTimeoutMs: timeoutMs, interceptors });
  return { ...ordermeshOver(transport), close: () => sessionManager.abort() };
}

/** Returns clients for Node, by gRPC-Web over HTTP/1.1, for networks where HTTP/2 does not pass. */
export function ordermeshFromNodeByWeb(options: Options): ConnectedOrdermesh {
  const { baseUrl, apiKey, timeoutMs = DEFAULT_TIMEOUT_MS, retry } = options;
  // An agent of its own: close() must not end connections of others.
  const agent = new (new URL(baseUrl).protocol === "https:" ? HttpsAgent : HttpAgent)({ keepAlive: true });
  const transport = createGrpcWebTransport({
    baseUrl,
    httpVersion: "1.1",
    nodeOptions: { agent },
    defaultTimeoutMs: timeoutMs,
    interceptors: [retryInterceptor(retry), credentialInterceptor(apiKey)],
  });
  return { ...ordermeshOver(transport), close: () => agent.destroy() };
}
