import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { freshDatabase } from '#libs/testing';
import type { BrowserContext, CDPSession, Page } from 'playwright-core';
import { serveConsole } from '../../apps/control-plane/src/http/console-files.js';
import { HttpEdgeModule } from '../../apps/control-plane/src/http/http-edge.module.js';
import { startTestApp, type TestApp } from '../../apps/control-plane/src/http/test-app.fixture.js';
import { IdentityModule } from '../../apps/control-plane/src/identity/identity.module.js';
import { OidcModule } from '../../apps/control-plane/src/identity/oidc/oidc.module.js';
import { PasskeysModule } from '../../apps/control-plane/src/identity/passkeys/passkeys.module.js';
import { SignInAttempts } from '../../apps/control-plane/src/identity/sign-in/sign-in-attempts.js';
import { UsersService } from '../../apps/control-plane/src/identity/users.service.js';
import { ApiKeysService } from '../../apps/control-plane/src/identity/api-keys.service.js';
import { Database } from '#libs/database';

const PUBLIC = join(import.meta.dirname, '../../dist/apps/admin/public');
export const PASSWORD = 'correct horse battery';

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });

/** The real sign-in of the control plane behind the built console, at a host name so that passkeys work. */
export class Console {
  private constructor(
    readonly test: TestApp,
    readonly url: string,
  ) {}

  static async start(environment: Record<string, string> = {}): Promise<Console> {
    const port = await freePort();
    const url = `http://localhost:${port}`;
    const modules = [HttpEdgeModule, IdentityModule, OidcModule, PasskeysModule];
    const test = await startTestApp(await freshDatabase(), modules, {
      environment: { WIREBOT_CONTROL_PLANE_URL: url, ...environment },
      prepare: (app) => serveConsole(app, PUBLIC),
    });
    await test.app.listen(port, '127.0.0.1');
    return new Console(test, url);
  }

  /** Somebody who works for no business yet: every page about themselves is theirs. */
  async user(email: string): Promise<string> {
    const { id } = await this.test.app.get(UsersService).ensure(email, PASSWORD);
    await this.test.database.query('UPDATE users SET platform_role = NULL, email_verified_at = now() WHERE id = $1', [
      id,
    ]);
    return id;
  }

  async link(kind: 'magic-link' | 'password-reset' | 'staff-invitation', userId: string): Promise<string> {
    const { token } = await this.test.app
      .get(Database)
      .system((tx) => this.test.app.get(SignInAttempts).issue(tx, { kind, userId, seconds: 900 }));
    return token;
  }

  async offer(provider: object): Promise<void> {
    const { key } = await this.test.app.get(ApiKeysService).issue({ tenantId: null, name: 'operator', scopes: ['*'] });
    const answer = await this.test.app.inject({
      method: 'POST',
      url: '/v1/admin/identity-providers',
      headers: { authorization: `Bearer ${key}` },
      payload: provider,
    });
    if (answer.statusCode !== 201) throw new Error(answer.body);
  }

  stop(): Promise<void> {
    return this.test.close();
  }
}

/** A platform authenticator that verifies its user, as the browser’s developer tools offer it. */
export class VirtualAuthenticator {
  private constructor(
    private readonly session: CDPSession,
    private readonly authenticatorId: string,
  ) {}

  static async plugIn(context: BrowserContext, page: Page): Promise<VirtualAuthenticator> {
    const session = await context.newCDPSession(page);
    await session.send('WebAuthn.enable', { enableUI: false });
    const { authenticatorId } = await session.send('WebAuthn.addVirtualAuthenticator', {
      options: {
        protocol: 'ctap2',
        ctap2Version: 'ctap2_1',
        transport: 'internal',
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: true,
        automaticPresenceSimulation: true,
      },
    });
    return new VirtualAuthenticator(session, authenticatorId);
  }

  /** Whether its user is in front of it. */
  async recognises(somebody: boolean): Promise<void> {
    const { session, authenticatorId } = this;
    await session.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: somebody });
  }

  async credentials(): Promise<
    { readonly isResidentCredential: boolean; readonly signCount: number; readonly rpId?: string }[]
  > {
    return (await this.session.send('WebAuthn.getCredentials', { authenticatorId: this.authenticatorId })).credentials;
  }
}
