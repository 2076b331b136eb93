/** What is known about a resource, in words for people: the newest of each type, kept on the row. */
export interface Condition {
  readonly type: string;
  readonly status: boolean;
  /** Stable kebab-case. */
  readonly reason: string;
  readonly message: string;
  /** When `status` or `reason` last changed. */
  readonly at: string;
}

export function withCondition(
  conditions: readonly Condition[],
  type: string,
  status: boolean,
  reason: string,
  message: string,
  now: Date,
): Condition[] {
  const before = conditions.find((condition) => condition.type === type);
  const at = before && before.status === status && before.reason === reason ? before.at : now.toISOString();
  return [...conditions.filter((condition) => condition.type !== type), { type, status, reason, message, at }];
}

export const conditionsOf = (value: unknown): Condition[] => (Array.isArray(value) ? (value as Condition[]) : []);
