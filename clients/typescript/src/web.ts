import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { credentialInterceptor } from "./credential.js";
import { retryInterceptor } from "./retry.js";
import { DEFAULT_TIMEOUT_MS, ordermeshOver, type Options, type Ordermesh } from "./services.js";

export * from "./index.js";

/** Returns clients for a page in a browser, by gRPC-Web. */
export function ordermeshFromBrowser(options: Options): Ordermesh {
  const { baseUrl, apiKey, timeoutMs = DEFAULT_TIMEOUT_MS, retry } = options;
  const interceptors = [retryInterceptor(retry), credentialInterceptor(apiKey)];
  return ordermeshOver(createGrpcWebTransport({ baseUrl, defaultTimeoutMs: timeoutMs, interceptors }));
}
