const LIMIT = 30_000;

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

  async call(method, path, body) {
    const response = await fetch(this.url + path, {
      method,
      headers: this.#headers,
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(LIMIT),
    });
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${await response.text()}`);
    return response.json();
  }
}
