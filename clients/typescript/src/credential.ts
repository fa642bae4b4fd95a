import { type Interceptor } from "@connectrpc/connect";

/** Returns an interceptor that sends an API key or a token with each call; without one it changes nothing. */
export function credentialInterceptor(apiKey?: string): Interceptor {
  return (next) => (request) => {
    if (apiKey !== undefined) {
      request.header.set("authorization", `Bearer ${apiKey}`);
    }
    return next(request);
  };
}
