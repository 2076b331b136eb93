import type { StackFile } from '#libs/contracts';
import { Api } from './api.js';

/** The operator's API, signed in by cookie. */
export interface OperatorCalls {
  readonly cookie: string;
  /** Throws unless it answers 201. */
  post<T>(path: string, body: unknown): Promise<T>;
  text(path: string): Promise<string>;
}

export async function operatorCalls(stack: StackFile): Promise<OperatorCalls> {
  const { url } = stack.controlPlane;
  const headers = { 'content-type': 'application/json', origin: new URL(url).origin };
  const { email, password } = stack.admin;
  const signIn = { method: 'POST', headers, body: JSON.stringify({ email, password }) };
  const signedIn = await fetch(`${url}/v1/session`, signIn);
  if (signedIn.status !== 201) throw new Error(`sign-in answered ${signedIn.status}: ${await signedIn.text()}`);
  const cookie = signedIn.headers.getSetCookie()[0]!.split(';')[0]!;
  return {
    cookie,
    async post<T>(path: string, body: unknown): Promise<T> {
      const request = { method: 'POST', headers: { ...headers, cookie }, body: JSON.stringify(body) };
      const answer = await fetch(url + path, request);
      if (answer.status !== 201) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`);
      return (await answer.json()) as T;
    },
    text: async (path) => (await fetch(url + path, { headers: { cookie } })).text(),
  };
}

/** A second tenant with a key of its own. */
export async function otherTenant(stack: StackFile, slug = 'other'): Promise<Api> {
  const { post } = await operatorCalls(stack);
  const tenant = await post<{ id: string }>('/v1/admin/tenants', { slug, name: 'Other', template: 'standalone' });
  const scopes = ['members:read', 'members:write', 'tokens:write', 'operations:read'];
  const { key } = await post<{ key: string }>(`/v1/admin/tenants/${tenant.id}/keys`, { name: 'test', scopes });
  return new Api(stack, key);
}

/** An operator's key that is bound to a tenant. */
export async function operatorKey(stack: StackFile, scopes: string[], tenantId: string): Promise<Api> {
  const { post } = await operatorCalls(stack);
  const { key } = await post<{ key: string }>('/v1/admin/keys', { name: 'test', scopes, tenantId });
  return new Api(stack, key);
}
