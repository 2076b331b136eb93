import type { FieldError } from '#libs/kernel';

export type Check = (value: unknown) => string | undefined;
export type Shape = Record<string, Check>;

export const text: Check = (value) => (typeof value === 'string' && value !== '' ? undefined : 'must be a text');
export const flag: Check = (value) => (typeof value === 'boolean' ? undefined : 'must be true or false');
export const integer =
  (least: number, most = Number.MAX_SAFE_INTEGER): Check =>
  (value) =>
    Number.isInteger(value) && (value as number) >= least && (value as number) <= most
      ? undefined
      : `must be a whole number from ${least} on`;
export const orNull =
  (check: Check): Check =>
  (value) =>
    value === null ? undefined : check(value);
export const absentOr =
  (check: Check): Check =>
  (value) =>
    value === undefined ? undefined : check(value);
export const oneOf =
  (...values: unknown[]): Check =>
  (value) =>
    values.includes(value) ? undefined : `must be one of ${values.join(', ')}`;

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export function checkShape(value: unknown, shape: Shape, path: string): FieldError[] {
  if (!isObject(value)) return [{ field: path || '(body)', message: 'must be an object' }];
  return Object.entries(shape).flatMap(([name, check]) => {
    const message = check(value[name]);
    return message ? [{ field: path ? `${path}.${name}` : name, message }] : [];
  });
}

/** Every value of an object by the same rule. */
export function checkEach(
  value: unknown,
  path: string,
  check: (entry: unknown, path: string, name: string) => FieldError[],
): FieldError[] {
  if (!isObject(value)) return [{ field: path, message: 'must be an object' }];
  return Object.entries(value).flatMap(([name, entry]) => check(entry, `${path}.${name}`, name));
}
