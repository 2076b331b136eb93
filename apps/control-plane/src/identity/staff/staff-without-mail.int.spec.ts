import { freshDatabase } from '#libs/testing';
import { describe, expect, it } from 'vitest';
import { HttpEdgeModule } from '../../http/http-edge.module.js';
import { startTestApp } from '../../http/test-app.fixture.js';
import { ApiKeysService } from '../api-keys.service.js';
import { IdentityModule } from '../identity.module.js';
import { TestConsole } from '../testing/console.fixture.js';
import { StaffModule } from './staff.module.js';

describe('where no mail goes out', () => {
  it('an owner adds nobody who is new, and an operator is shown the link', async () => {
    const test = await startTestApp(await freshDatabase(), [HttpEdgeModule, IdentityModule, StaffModule]);
    try {
      const { tenantId, key } = await test.seedTenant('mailless');
      const console = new TestConsole(test);
      const body = { email: 'new@example.com', role: 'support' };
      const refused = await console.call('POST', '/v1/staff', body, { authorization: `Bearer ${key}` });
      expect(refused).toMatchObject({ status: 503, body: { code: 'mail-not-configured' } });
      const issued = await test.app
        .get(ApiKeysService, { strict: false })
        .issue({ tenantId: null, name: 'ops', scopes: ['*'] });
      const headers = { authorization: `Bearer ${issued.key}`, 'wirebot-tenant': tenantId };
      const { body: added } = await console.call('POST', '/v1/staff', body, headers);
      const { sent, url } = added['invitation'] as { sent: string; url: string };
      expect(sent).toBe('by-link');
      const token = /#invitation=([\w-]{43})$/.exec(url)![1];
      const person = new TestConsole(test);
      expect((await person.call('POST', '/v1/session/invitation', { token, name: 'Nia' })).status).toBe(201);
      expect((await person.call('GET', '/v1/session')).body).toMatchObject({ user: { name: 'Nia' } });
      expect(await test.database.query('SELECT 1 FROM mails')).toEqual([]);
    } finally {
      await test.close();
    }
  });
});
