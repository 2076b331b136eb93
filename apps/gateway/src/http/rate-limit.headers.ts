/** Where a visitor stands with a limit that counts over a window. */
export interface RateState {
  readonly limit: number;
  readonly remaining: number;
  /** Until the first of what counts now no longer does. */
  readonly resetSeconds: number;
}

export const MESSAGE_WINDOW_SECONDS = 3_600;

/** `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers, structured fields). Nothing where no limit holds. */
export function rateLimitHeaders(state: RateState | undefined): Record<string, string> {
  if (!state) return {};
  const { limit, remaining, resetSeconds } = state;
  return {
    'ratelimit-policy': `"messages";q=${limit};w=${MESSAGE_WINDOW_SECONDS}`,
    ratelimit: `"messages";r=${remaining};t=${resetSeconds}`,
  };
}
