import type { TenantRoute } from '#libs/contracts';
import type { RouteTable } from '#libs/routing';
import { ProxyProblem } from '../proxy.errors.js';

/** The tenant a request is for, and what is left of its path below the tenant's base. */
export interface Site {
  readonly tenant: TenantRoute;
  /** `''` on a host of its own, `/t/<slug>` on the shared one. */
  readonly base: string;
  /** Begins with a slash; empty for `/t/<slug>` without one, which is redirected. */
  readonly rest: string;
}

const SLUG_PATH = /^\/t\/([^/]+)(\/.*)?$/;

/** Undefined: nobody's host and no slug, so the request is for the proxy itself. Throws when a tenant is unknown or suspended. */
export function siteOf(table: RouteTable, host: string, path: string): Site | undefined {
  const byHost = table.tenantByHost(host);
  if (byHost) return active({ tenant: byHost, base: '', rest: path });
  const match = SLUG_PATH.exec(path);
  if (!match) return undefined;
  const bySlug = table.tenantBySlug(match[1]!);
  if (!bySlug) throw new ProxyProblem(table.position ? 'unknown-host' : 'routes-not-loaded');
  return active({ tenant: bySlug, base: `/t/${bySlug.slug}`, rest: match[2] ?? '' });
}

function active(site: Site): Site {
  if (site.tenant.status === 'suspended') throw new ProxyProblem('tenant-suspended');
  return site;
}
