/** What one step of a pass came to: look again at once, or in a while (null: when something changes). */
export type Outcome = { readonly again: true } | { readonly again: false; readonly dueInMs: number | null };

export const again: Outcome = { again: true };
export const settled: Outcome = { again: false, dueInMs: null };
export const waitFor = (dueInMs: number): Outcome => ({ again: false, dueInMs });
