import type { NestFastifyApplication } from '@nestjs/platform-fastify';

let machines = 0;

export interface Answer {
  readonly status: number;
  readonly location: string | undefined;
  readonly body: unknown;
}

/**
 * A browser of somebody who signs in: keeps cookies by site, and follows redirects across sites as a top-level navigation
 * does. The application is called in process at its public URL, everything else over the network.
 */
export class TestBrowser {
  readonly cookies = new Map<string, Map<string, string>>();
  /** Origins that are served elsewhere, as a name service would have it. */
  readonly aliases = new Map<string, string>();

  /** Its own, so that limits meet only who they are meant for. */
  readonly #address = `10.1.${(machines += 1) >> 8}.${machines & 255}`;

  constructor(
    private readonly app: NestFastifyApplication,
    readonly home: string,
  ) {}

  /** One request; no redirect is followed. */
  async visit(address: string, headers: Record<string, string> = {}): Promise<Answer> {
    const url = new URL(address, this.home);
    return url.origin === this.home
      ? this.api('GET', url.pathname + url.search, undefined, headers)
      : this.#outside(url);
  }

  /** Follows redirects until a page is there, at most ten; resolves with every address on the way. */
  async navigate(address: string, headers: Record<string, string> = {}): Promise<string[]> {
    const trail = [new URL(address, this.home).href];
    for (let hop = 0; hop < 10; hop += 1) {
      const { location } = await this.visit(trail.at(-1)!, hop === 0 ? headers : {});
      if (location === undefined) return trail;
      trail.push(new URL(location, trail.at(-1)).href);
      if (trail.at(-1)!.startsWith(`${this.home}/admin/`)) return trail;
    }
    throw new Error(`too many redirects: ${trail.join(' ')}`);
  }

  async api(
    method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE',
    url: string,
    payload?: object,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const { host } = new URL(this.home);
    const answer = await this.app.inject({
      method,
      url,
      remoteAddress: this.#address,
      headers: { host, ...this.#cookieHeader(host), ...(method === 'GET' ? {} : { origin: this.home }), ...headers },
      ...(payload ? { payload } : {}),
    });
    this.#keep(host, [answer.headers['set-cookie'] ?? []].flat());
    const body: unknown = answer.body && !answer.headers.location ? answer.json() : undefined;
    return { status: answer.statusCode, location: answer.headers.location, body };
  }

  async #outside(url: URL): Promise<Answer> {
    const at = new URL(url.pathname + url.search, this.aliases.get(url.origin) ?? url.origin);
    const answer = await fetch(at, { redirect: 'manual', headers: this.#cookieHeader(url.host) });
    this.#keep(url.host, answer.headers.getSetCookie());
    await answer.text();
    return { status: answer.status, location: answer.headers.get('location') ?? undefined, body: undefined };
  }

  #cookieHeader(host: string): Record<string, string> {
    const pairs = [...(this.cookies.get(host) ?? [])].map(([name, value]) => `${name}=${value}`);
    return pairs.length > 0 ? { cookie: pairs.join('; ') } : {};
  }

  #keep(host: string, lines: readonly string[]): void {
    const jar = this.cookies.get(host) ?? new Map<string, string>();
    this.cookies.set(host, jar);
    for (const line of lines) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)!;
      if (value === '' || /max-age=0/i.test(line) || /expires=thu, 01 jan 1970/i.test(line)) jar.delete(name!);
      else jar.set(name!, value!);
    }
  }
}
