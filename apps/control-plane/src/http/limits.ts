/** Limits of every request, in one place. */
export const HTTP_LIMITS = {
  /** Largest body, in bytes. */
  body: 1024 * 1024,
  /** Largest declared body that is read to its end and thrown away after a 413, in bytes. */
  discard: 64 * 1024 * 1024,
  /** Objects and lists inside one another. */
  depth: 32,
  /** Time to receive a whole request, in milliseconds. Answers may stream for longer. */
  receive: 30_000,
  /** Longest path parameter, such as an external id, in characters. */
  parameter: 512,
} as const;
