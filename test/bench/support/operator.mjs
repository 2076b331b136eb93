const LIMIT = 30_000;
/** Of a tier, what is not its content. */
const FIXED = new Set(['key', 'version', 'retiredAt']);

/** The operator's API, signed in by cookie. */
export class Operator {
  #headers;

  constructor(url, headers) {
    this.url = url;
    this.#headers = headers;
  }

  static async signIn({ controlPlane: { url }, admin: { email, password } }) {
    const headers = { 'content-type': 'application/json', origin: new URL(url).origin };
    const body = JSON.stringify({ email, password });
    const response = await fetch(`${url}/v1/session`, {
      method: 'POST',
      headers,
      body,
      signal: AbortSignal.timeout(LIMIT),
    });
    if (response.status !== 201) throw new Error(`sign-in answered ${response.status}: ${await response.text()}`);
    return new Operator(url, { ...headers, cookie: response.headers.getSetCookie()[0].split(';')[0] });
  }

  /** The tenant's tier as it is, with these fields changed. */
  async changeTier(tenantId, key, changes) {
    const { items } = await this.call('GET', '/v1/tiers', undefined, tenantId);
    const content = Object.entries(items.find((entry) => entry.key === key)).filter(([name]) => !FIXED.has(name));
    return this.call('PUT', `/v1/tiers/${key}`, { ...Object.fromEntries(content), ...changes }, tenantId);
  }

  /** `tenantId`: the one that a tenant's route acts on. */
  async call(method, path, body, tenantId) {
    const response = await fetch(this.url + path, {
      method,
      headers: { ...this.#headers, ...(tenantId ? { 'wirebot-tenant': tenantId } : {}) },
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(LIMIT),
    });
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${await response.text()}`);
    return response.json();
  }
}
