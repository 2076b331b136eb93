import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pack } from 'tar-stream';
import { createAgeKeyPair, openLocalStore, writeArchive } from '#libs/backup';
import { freshMember, type RouteCalls } from '../route-call.js';
import { type Actor, newId } from '../world.js';

const NOTE = Buffer.from('what the member wrote');

function archive(agentId: string): Readable {
  const tar = pack();
  const sha256 = createHash('sha256').update(NOTE).digest('hex');
  const files = [{ path: 'note', size: NOTE.length, sha256 }];
  tar.entry({ name: 'note' }, NOTE);
  tar.entry({ name: 'manifest.json' }, JSON.stringify({ agentId, createdAt: new Date().toISOString(), files }));
  tar.finalize();
  return Readable.from(tar);
}

/** A key of the tenant that backups are encrypted to. */
async function recipientOf(actor: Actor): Promise<string> {
  const where = 'SELECT recipient FROM backup_keys WHERE tenant_id = $1 AND retired_at IS NULL';
  const [known] = await actor.sql<{ recipient: string }>(where, [actor.tenantId]);
  if (known) return known.recipient;
  const { recipient, identity } = await createAgeKeyPair();
  const id = newId('bkey');
  const sealed = await actor.seal(identity, `backup-key/${id}`);
  await actor.sql(`INSERT INTO backup_keys (id, tenant_id, recipient, identity_sealed) VALUES ($1, $2, $3, $4)`, [
    id,
    actor.tenantId,
    recipient,
    Buffer.from(sealed),
  ]);
  return recipient;
}

/** A backup of a member's agent as a worker leaves it, which succeeded: a row, and the object that it names. */
async function backupOf(actor: Actor, memberId: string): Promise<string> {
  const [agent] = await actor.sql<{ id: string }>('SELECT id FROM agents WHERE member_id = $1', [memberId]);
  const id = newId('bak');
  const key = `${actor.tenantId}/${agent!.id}/${id}.1.tar.zst.age`;
  const store = openLocalStore(join(process.env['WIREBOT_DATA_DIR']!, 'backups'), 0);
  const never = new AbortController().signal;
  const { bytes, sha256 } = await writeArchive(store, key, archive(agent!.id), await recipientOf(actor), never);
  await actor.sql(
    `INSERT INTO backups (id, tenant_id, member_id, agent_id, kind, status, store, object_key, bytes, sha256, finished_at)
     VALUES ($1, $2, $3, $4, 'manual', 'succeeded', 'local', $5, $6, $7, now())`,
    [id, actor.tenantId, memberId, agent!.id, key, bytes, sha256],
  );
  return id;
}

/** An agent that has been attached once, so that there is something to back up. */
async function settle(actor: Actor, memberId: string): Promise<string> {
  const gatewayId = newId('gw');
  await actor.sql(
    `INSERT INTO hosts (id, name, driver, port_from, port_to, state)
     VALUES ('hst_backups', 'backups', 'process', 1, 2, 'cordoned') ON CONFLICT DO NOTHING`,
  );
  await actor.sql(
    `INSERT INTO gateways (id, tenant_id, host_id, kind, runtime, image, resources, phase, updated_at)
     VALUES ($1, $2, 'hst_backups', 'shared', 'wirebot', 'x', '{}', 'ready', now())`,
    [gatewayId, actor.tenantId],
  );
  await actor.sql('UPDATE agents SET gateway_id = $1, attached_to = $1, attached_generation = 1 WHERE member_id = $2', [
    gatewayId,
    memberId,
  ]);
  return gatewayId;
}

async function settledMember(actor: Actor): Promise<string[]> {
  const { externalId, memberId } = await freshMember(actor);
  await settle(actor, memberId);
  return [externalId];
}

async function memberAndBackup(actor: Actor): Promise<string[]> {
  const { externalId, memberId } = await freshMember(actor);
  return [externalId, await backupOf(actor, memberId)];
}

const ownBackup = async (actor: Actor): Promise<string[]> => [await backupOf(actor, actor.memberId)];

/** Backups and what is made of them. */
export const BACKUP_CALLS: RouteCalls = {
  'GET /v1/members/:externalId/backups': { target: async (actor) => [(await freshMember(actor)).externalId] },
  'POST /v1/members/:externalId/backups': { target: settledMember, body: {} },
  'GET /v1/members/:externalId/backups/:id': { target: memberAndBackup },
  'GET /v1/members/:externalId/backups/:id/archive': { target: memberAndBackup },
  'DELETE /v1/members/:externalId/backups/:id': { target: memberAndBackup },
  'POST /v1/members/:externalId/backups/:id/restore': { target: memberAndBackup, body: {} },
  'GET /v1/me/backups': {},
  // 409: nobody has ever spoken to the agent.
  'POST /v1/me/backups': { good: [202, 409] },
  'GET /v1/me/backups/:id': { target: ownBackup },
  // 403: others have a say in the workspace of whom this is asked.
  'GET /v1/me/backups/:id/archive': { target: ownBackup, good: [200, 403] },
  'GET /v1/admin/backups': {},
  'POST /v1/admin/backups/:id/verify': { target: ownBackup, body: {} },
  'POST /v1/admin/gateways/:id/backup': {
    target: async (actor) => [await settle(actor, (await freshMember(actor)).memberId)],
    body: {},
  },
};
