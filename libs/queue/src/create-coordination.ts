import type { Coordination, CoordinationOptions } from './coordination.js';
import { connectPostgres } from './postgres/connect.js';
import { connectRedis } from './redis/connect.js';

/** Connects to Redis when `redisUrl` is given, else to PostgreSQL; rejects with CoordinationUnavailable when it is not there. */
export function createCoordination(options: CoordinationOptions): Promise<Coordination> {
  return options.redisUrl ? connectRedis(options.redisUrl, options) : connectPostgres(options);
}
