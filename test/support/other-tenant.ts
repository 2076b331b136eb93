import type { StackFile } from '#libs/contracts';
import { Api } from './api.js';

/** Signs in as the operator and makes a second tenant with a key of its own. */
export async function otherTenant(stack: StackFile, slug = 'other'): Promise<Api> {
  const { url } = stack.controlPlane;
  const headers = { 'content-type': 'application/json', origin: new URL(url).origin };
  const { email, password } = stack.admin;
  const signedIn = await fetch(`${url}/v1/admin/session`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ email, password }),
  });
  if (signedIn.status !== 201) throw new Error(`sign-in answered ${signedIn.status}: ${await signedIn.text()}`);
  const cookie = signedIn.headers.getSetCookie()[0]!.split(';')[0]!;
  const post = async <T>(path: string, body: unknown): Promise<T> => {
    const answer = await fetch(url + path, {
      method: 'POST',
      headers: { ...headers, cookie },
      body: JSON.stringify(body),
    });
    if (answer.status !== 201) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`);
    return (await answer.json()) as T;
  };
  const tenant = await post<{ id: string }>('/v1/admin/tenants', { slug, name: 'Other', template: 'standalone' });
  const scopes = ['members:read', 'members:write', 'tokens:write', 'operations:read'];
  const { key } = await post<{ key: string }>(`/v1/admin/tenants/${tenant.id}/keys`, { name: 'test', scopes });
  return new Api(stack, key);
}
