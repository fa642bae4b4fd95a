import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { retryInterceptor } from "./retry.js";
import { DEFAULT_TIMEOUT_MS, ordermeshOver, type Options, type Ordermesh } from "./services.js";

export * from "./index.js";

/** Returns clients for a page in a browser, by gRPC-Web. */
export function ordermeshFromBrowser({ baseUrl, timeoutMs = DEFAULT_TIMEOUT_MS, retry }: Options): Ordermesh {
  const interceptors = [retryInterceptor(retry)];
  return ordermeshOver(createGrpcWebTransport({ baseUrl, defaultTimeoutMs: timeoutMs, interceptors }));
}
