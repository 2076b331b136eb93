import { registerDecorator } from 'class-validator';

const KEY = /^[a-z0-9][a-z0-9./-]{0,62}$/;
const VALUE = /^[\w.-]{1,63}$/;
const MOST = 20;

const isLabels = (value: unknown): boolean => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const entries = Object.entries(value as object);
  return (
    entries.length <= MOST &&
    entries.every(([key, text]) => KEY.test(key) && typeof text === 'string' && VALUE.test(text))
  );
};

/** At most 20 short texts by name. */
export function IsLabels(): PropertyDecorator {
  return (target, property) =>
    registerDecorator({
      name: 'isLabels',
      target: target.constructor,
      propertyName: property as string,
      validator: {
        validate: isLabels,
        defaultMessage: () =>
          `${String(property)} must hold at most ${MOST} texts of 1-63 letters, digits, dots, dashes or underscores, by lower-case names`,
      },
    });
}
