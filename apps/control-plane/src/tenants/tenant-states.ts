/**
 * active -> suspended -> active; either -> closed -> erasing -> erased, and closed -> back. From `erasing` on nothing
 * brings it back.
 */
export const TENANT_STATUSES = ['active', 'suspended', 'closed', 'erasing', 'erased'] as const;
export type TenantStatus = (typeof TENANT_STATUSES)[number];

export type TenantAction = 'suspend' | 'resume' | 'close' | 'reopen' | 'erase';

/** From which states an action does something. */
const FROM: Record<TenantAction, readonly TenantStatus[]> = {
  suspend: ['active', 'suspended'],
  resume: ['suspended'],
  close: ['active', 'suspended'],
  reopen: ['closed'],
  erase: ['closed'],
};

/** In which states an action has happened already: asked for again it changes nothing. */
const DONE: Record<TenantAction, readonly TenantStatus[]> = {
  suspend: [],
  resume: ['active'],
  close: ['closed'],
  reopen: ['active', 'suspended'],
  erase: ['erasing', 'erased'],
};

export const decide = (status: TenantStatus, action: TenantAction): 'do' | 'done' | 'refuse' =>
  FROM[action].includes(status) ? 'do' : DONE[action].includes(status) ? 'done' : 'refuse';
