import { decodeCursor, type PageQuery, toPage } from '../http/cursor.js';
import type { KeyOwner, KeyPage } from './keys.repository.js';
import type { KeysService } from './keys.service.js';

export async function pageOfKeys(keys: KeysService, owner: KeyOwner, query: PageQuery): Promise<KeyPage> {
  const [after] = decodeCursor(query.cursor, 1) ?? [];
  const rows = await keys.list(owner, after, query.limit + 1);
  return toPage(
    rows,
    query.limit,
    (row) => row,
    (row) => [row.id],
  );
}
