import { RequestInvalid } from '../errors.js';
import { checkShape, integer } from './shape.check.js';

/** The body of `suspend` and `resume`. */
export function checkFence(body: unknown): number {
  const errors = checkShape(body, { fence: integer(0) }, '');
  if (errors.length > 0) throw new RequestInvalid('Send {"fence": <number>}, the fencing token of your lease.', errors);
  return (body as { fence: number }).fence;
}
