import type { StackFile } from '#libs/contracts';
import { Api } from './api.js';

type Post = <T>(path: string, body: unknown) => Promise<T>;

/** Signs in as the operator; answers what posts to the operator's API. */
async function operator(stack: StackFile): Promise<Post> {
  const { url } = stack.controlPlane;
  const headers = { 'content-type': 'application/json', origin: new URL(url).origin };
  const { email, password } = stack.admin;
  const signIn = { method: 'POST', headers, body: JSON.stringify({ email, password }) };
  const signedIn = await fetch(`${url}/v1/admin/session`, signIn);
  if (signedIn.status !== 201) throw new Error(`sign-in answered ${signedIn.status}: ${await signedIn.text()}`);
  const cookie = signedIn.headers.getSetCookie()[0]!.split(';')[0]!;
  return async <T>(path: string, body: unknown): Promise<T> => {
    const request = { method: 'POST', headers: { ...headers, cookie }, body: JSON.stringify(body) };
    const answer = await fetch(url + path, request);
    if (answer.status !== 201) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`);
    return (await answer.json()) as T;
  };
}

/** A second tenant with a key of its own. */
export async function otherTenant(stack: StackFile, slug = 'other'): Promise<Api> {
  const post = await operator(stack);
  const tenant = await post<{ id: string }>('/v1/admin/tenants', { slug, name: 'Other', template: 'standalone' });
  const scopes = ['members:read', 'members:write', 'tokens:write', 'operations:read'];
  const { key } = await post<{ key: string }>(`/v1/admin/tenants/${tenant.id}/keys`, { name: 'test', scopes });
  return new Api(stack, key);
}

/** An operator's key that is bound to a tenant. */
export async function operatorKey(stack: StackFile, scopes: string[], tenantId: string): Promise<Api> {
  const post = await operator(stack);
  const { key } = await post<{ key: string }>('/v1/admin/keys', { name: 'test', scopes, tenantId });
  return new Api(stack, key);
}
