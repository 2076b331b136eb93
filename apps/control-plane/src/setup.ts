import 'reflect-metadata';
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { NestFactory } from '@nestjs/core';
import { SetupModule } from './app.module.js';
import { DomainError } from '#libs/kernel';
import { ApiKeysService } from './identity/api-keys.service.js';
import { UsersService } from './identity/users.service.js';
import { TenantsService } from './tenants/tenants.service.js';
import { TiersService } from './tiers/tiers.service.js';
import { SigningKeysService } from './tokens/signing-keys.service.js';

/** What a first start needs to hand to its owner; lives in a file of mode 600 beside the other secrets. */
interface Credentials {
  readonly admin: { readonly email: string; readonly password: string };
  readonly tenant: { readonly id: string; readonly slug: string; readonly apiKey: string; readonly host: string };
}

const ADMIN_EMAIL = 'admin@wirebot.localhost';
const DEMO = {
  slug: 'demo',
  name: 'Demo Founders Club',
  hosts: ['demo.wirebot.localhost'],
  brand: { name: 'Demo Founders Club', accent: '#3b5bdb', greeting: 'What are we working on today?' },
  template: 'network' as const,
  actor: 'system:setup',
};
const TENANT_SCOPES = ['members:read', 'members:write', 'tokens:write', 'operations:read'];

async function readCredentials(file: string): Promise<Partial<Credentials>> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Credentials;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new Error(`${file} cannot be read; delete it to have new credentials made`, { cause });
  }
}

async function writeCredentials(file: string, credentials: Credentials): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const fresh = `${file}.new`;
  await writeFile(fresh, `${JSON.stringify(credentials, null, 2)}\n`, { mode: 0o600 });
  await chmod(fresh, 0o600);
  await rename(fresh, file);
}

/**
 * Makes what an installation starts with: templates, signing key, first admin, demo tenant with its key. Idempotent: what
 * is there and still works is kept; what was lost is made anew.
 */
async function setup(file: string): Promise<void> {
  const app = await NestFactory.createApplicationContext(SetupModule, { logger: false, abortOnError: false });
  try {
    const before = await readCredentials(file);
    await app.get(TiersService).seedTemplates();
    await app.get(SigningKeysService).current();
    const tenants = app.get(TenantsService);
    const tenant = (await tenants.findBySlug(DEMO.slug)) ?? (await tenants.create(DEMO));
    const admin = await ensureAdmin(app.get(UsersService), before.admin);
    const apiKey = await ensureKey(app.get(ApiKeysService), tenant.id, before.tenant?.apiKey);
    const host = DEMO.hosts[0]!;
    await writeCredentials(file, { admin, tenant: { ...tenant, apiKey, host } });
  } finally {
    await app.close();
  }
}

async function ensureAdmin(
  users: UsersService,
  before: Credentials['admin'] | undefined,
): Promise<Credentials['admin']> {
  if (before && (await users.verify(before.email, before.password))) return before;
  const password = randomBytes(18).toString('base64url');
  await users.ensure(ADMIN_EMAIL, password);
  return { email: ADMIN_EMAIL, password };
}

async function ensureKey(keys: ApiKeysService, tenantId: string, before: string | undefined): Promise<string> {
  const known = before ? await keys.authenticate(before).catch(() => undefined) : undefined;
  if (before && known?.kind === 'tenant' && known.tenantId === tenantId) return before;
  return (await keys.issue({ tenantId, name: 'Demo site', scopes: TENANT_SCOPES, createdBy: 'system:setup' })).key;
}

const { values } = parseArgs({ options: { credentials: { type: 'string' } } });
if (!values.credentials) throw new Error('usage: setup --credentials <file>');
try {
  await setup(values.credentials);
} catch (error) {
  // Whoever starts the stack reads this: a known fault in a sentence, anything else with its place.
  process.stderr.write(`${error instanceof DomainError ? error.message : String((error as Error).stack ?? error)}\n`);
  // Connections that were opened before the fault would keep the process alive.
  process.exit(1);
}
