import { PrismaPg } from '@prisma/adapter-pg';
import { DomainError } from '#libs/kernel';
import { Prisma, PrismaClient } from './generated/client.js';

/** A transaction's client. */
export type Tx = Prisma.TransactionClient;
export { Prisma };

export class DatabaseUnavailable extends DomainError {
  readonly code = 'database-unavailable';
  readonly kind = 'unavailable';
  override readonly retryAfter = 2;
  constructor(options?: ErrorOptions) {
    super('The database does not answer right now. Nothing was changed; try again in a moment.', options);
  }
}

/** For the few transactions that touch as many rows as a tenant has members. */
export interface TransactionLimit {
  /** Longest duration, in milliseconds; by default that of all transactions. */
  readonly timeout?: number;
}

export interface DatabaseOptions {
  /** Server and database; the login must be a member of wirebot_app and wirebot_system (the first migration grants both). */
  readonly url: string;
  /** Connections per role. */
  readonly poolSize?: number;
  /** Longest transaction, in milliseconds. */
  readonly transactionTimeout?: number;
}

/** Connects as `role`: it owns no table and cannot bypass row-level security, whatever the login itself may do. */
const clientAs = (role: string, options: DatabaseOptions): PrismaClient =>
  new PrismaClient({
    adapter: new PrismaPg({
      connectionString: options.url,
      options: `-c role=${role}`,
      application_name: role,
      max: options.poolSize ?? 10,
      connectionTimeoutMillis: 5_000,
      idleTimeoutMillis: 30_000,
    }),
    transactionOptions: { maxWait: 5_000, timeout: options.transactionTimeout ?? 15_000 },
  });

/** Prisma codes that mean: the server is away, not: the query is wrong. */
const AWAY = new Set([
  'P1001',
  'P1002',
  'P1008',
  'P1017',
  'P2024',
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  '57P01',
  '57P03',
]);

const isAway = (error: unknown): boolean => {
  for (let at = error; at instanceof Object; at = (at as { cause?: unknown }).cause) {
    const { code, kind } = at as { code?: unknown; kind?: unknown };
    if (typeof code === 'string' && AWAY.has(code)) return true;
    if (kind === 'DatabaseNotReachable' || kind === 'ConnectionClosed') return true;
  }
  return false;
};

/**
 * The one way to the database. Everything runs in a transaction whose role and tenant are fixed first: a query that
 * forgets its tenant finds nothing. One transaction is one connection, so Prisma never batches queries across tenants.
 */
export class Database {
  readonly #app: PrismaClient;
  readonly #system: PrismaClient;

  constructor(options: DatabaseOptions) {
    this.#app = clientAs('wirebot_app', options);
    this.#system = clientAs('wirebot_system', options);
  }

  /** Runs `work` seeing exactly one tenant's rows. Rolls back when it throws. */
  async tenant<T>(tenantId: string, work: (tx: Tx) => Promise<T>, limit: TransactionLimit = {}): Promise<T> {
    const inTenant = async (tx: Tx): Promise<T> => {
      await tx.$executeRaw`SELECT set_config('app.tenant_id', ${tenantId}, true)`;
      return work(tx);
    };
    return this.#run(this.#app, inTenant, limit);
  }

  /** Runs `work` seeing every tenant: for the reconciler, sign-in and operators only. */
  async system<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#run(this.#system, work);
  }

  /** One statement outside a transaction as the system role. */
  get raw(): PrismaClient {
    return this.#system;
  }

  async ping(): Promise<void> {
    try {
      await this.#system.$queryRaw`SELECT 1`;
    } catch (cause) {
      throw new DatabaseUnavailable({ cause });
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#app.$disconnect(), this.#system.$disconnect()]);
  }

  /** One statement as the system role, seeing every tenant, without a transaction around it: one round trip. */
  async once<T>(statement: (client: PrismaClient) => Promise<T>): Promise<T> {
    return this.#translated(() => statement(this.#system));
  }

  async #run<T>(client: PrismaClient, work: (tx: Tx) => Promise<T>, limit: TransactionLimit = {}): Promise<T> {
    return this.#translated(() => client.$transaction(work, limit));
  }

  async #translated<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (cause) {
      if (!(cause instanceof DomainError) && isAway(cause)) throw new DatabaseUnavailable({ cause });
      throw cause;
    }
  }
}
