import { Injectable } from '@nestjs/common';
import { Database, Prisma } from '#libs/database';
import type { Sealed } from '../envelope.js';
import type { SealedColumn } from './sealed-columns.js';

export interface SealedRow {
  readonly key: string;
  readonly sealed: Uint8Array<ArrayBuffer>;
}

/** The data key's id inside a sealed value (see Envelope's layout), compared as bytes: damaged values are not text. */
const keyIdOf = (column: Prisma.Sql): Prisma.Sql => Prisma.sql`substring(${column} from 3 for get_byte(${column}, 1))`;

/** Sealed values wherever they are stored, by the data key that they are under. */
@Injectable()
export class SealedRowsRepository {
  constructor(private readonly database: Database) {}

  /** Values under one of these keys, or (where there were such) from before there were data keys. In order of their keys. */
  async under(column: SealedColumn, dataKeyIds: readonly string[], after: string, limit: number): Promise<SealedRow[]> {
    const [table, value, key] = identifiers(column);
    const older = column.olderContext ? Prisma.sql`OR get_byte(${value}, 0) = 1` : Prisma.empty;
    return this.database.raw.$queryRaw<SealedRow[]>`
      SELECT ${key} AS key, ${value} AS sealed FROM ${table}
      WHERE ${key} > ${after} AND octet_length(${value}) > 2
        AND (get_byte(${value}, 0) = 2 AND ${keyIdOf(value)} IN (${idList(dataKeyIds)}) ${older})
      ORDER BY ${key} LIMIT ${limit}`;
  }

  /** Only while the value is still the one that was read: a write that came between wins. Returns whether it was replaced. */
  async replace(column: SealedColumn, row: SealedRow, fresh: Sealed): Promise<boolean> {
    const [table, value, key] = identifiers(column);
    const also = column.dataKey ? Prisma.sql`, ${name(column.dataKey)} = ${fresh.dataKeyId}` : Prisma.empty;
    const changed = await this.database.raw.$executeRaw`
      UPDATE ${table} SET ${value} = ${fresh.sealed} ${also} WHERE ${key} = ${row.key} AND ${value} = ${row.sealed}`;
    return changed === 1;
  }

  /** Whether anything is still under this key. */
  async isUsed(columns: readonly SealedColumn[], dataKeyId: string): Promise<boolean> {
    for (const column of columns) {
      const [table, value] = identifiers(column);
      const [row] = await this.database.raw.$queryRaw<{ used: boolean }[]>`
        SELECT EXISTS (
          SELECT FROM ${table} WHERE octet_length(${value}) > 2 AND get_byte(${value}, 0) = 2
            AND ${keyIdOf(value)} IN (${idList([dataKeyId])})) AS used`;
      if (row?.used) return true;
    }
    return false;
  }
}

const name = (identifier: string): Prisma.Sql => Prisma.raw(`"${identifier}"`);

const identifiers = ({ table, column, key }: SealedColumn): [Prisma.Sql, Prisma.Sql, Prisma.Sql] => [
  name(table),
  name(column),
  name(key),
];

const idList = (ids: readonly string[]): Prisma.Sql =>
  Prisma.sql`SELECT convert_to(wanted, 'UTF8') FROM unnest(${[...ids]}::text[]) AS wanted`;
