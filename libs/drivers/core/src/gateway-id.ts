import { DriverError } from './errors.js';

const GATEWAY_ID = /^[a-z0-9][a-z0-9_-]{0,62}$/;

export const isGatewayId = (id: string): boolean => GATEWAY_ID.test(id);

/** A gateway's id names containers and folders, so nothing but harmless characters may be in it. */
export function assertGatewayId(id: string): void {
  if (!isGatewayId(id)) {
    throw new DriverError(
      'engine-refused',
      `"${id.slice(0, 80)}" cannot name a gateway: use lower-case letters, digits, _ and -.`,
      false,
    );
  }
}
