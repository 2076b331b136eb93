/** Tokens of a text, roughly: four characters each. For budgets and for endpoints that report no usage, never for billing. */
export const estimateTokens = (text: string): number => Math.ceil(text.length / 4);
