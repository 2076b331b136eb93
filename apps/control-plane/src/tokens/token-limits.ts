/** Lifetimes in seconds, in one place. */
export const TOKEN_LIFE = {
  /** Tokens that a membership site asks for. */
  min: 60,
  max: 900,
  /** The token behind the chat page's cookie. */
  session: 8 * 3_600,
  /** A revocation is kept until nothing it concerns can be valid any more: the longest life and what clocks may differ. */
  revocation: 8 * 3_600 + 60,
  signInCode: 600,
} as const;
