import { describe, expect, it } from 'vitest';
import { decide, TENANT_STATUSES, type TenantAction, type TenantStatus } from './tenant-states.js';

/** The whole table, so that a change of one cell is seen. */
const TABLE: Record<TenantAction, Record<TenantStatus, ReturnType<typeof decide>>> = {
  suspend: { active: 'do', suspended: 'do', closed: 'refuse', erasing: 'refuse', erased: 'refuse' },
  resume: { active: 'done', suspended: 'do', closed: 'refuse', erasing: 'refuse', erased: 'refuse' },
  close: { active: 'do', suspended: 'do', closed: 'done', erasing: 'refuse', erased: 'refuse' },
  reopen: { active: 'done', suspended: 'done', closed: 'do', erasing: 'refuse', erased: 'refuse' },
  erase: { active: 'refuse', suspended: 'refuse', closed: 'do', erasing: 'done', erased: 'done' },
};

describe.each(Object.entries(TABLE))('%s', (action, row) => {
  it.each(TENANT_STATUSES)('of a tenant that is %s', (status) => {
    expect(decide(status, action as TenantAction)).toBe(row[status]);
  });
});
