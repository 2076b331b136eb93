import { ID_PREFIXES } from '#libs/kernel';
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

/**
 * A folder's name that can only be a gateway's: every id that is made begins so. What is swept, repaired or deleted because
 * of its name alone has this one, however the folder around it was chosen.
 */
export const isGatewayFolder = (name: string): boolean =>
  name.startsWith(`${ID_PREFIXES.gateway}_`) && isGatewayId(name);
