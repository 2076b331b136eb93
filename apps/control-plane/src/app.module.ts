import { Module } from '@nestjs/common';
import { AdminModule } from './admin/admin.module.js';
import { ApiKeysModule } from './api-keys/api-keys.module.js';
import { AuditModule } from './audit/audit.module.js';
import { BackupsModule } from './backups/backups.module.js';
import { CoreModule } from './core.module.js';
import { EventsModule } from './events/events.module.js';
import { HealthModule } from './health/health.module.js';
import { HttpEdgeModule } from './http/http-edge.module.js';
import { IdentityModule } from './identity/identity.module.js';
import { OidcModule } from './identity/oidc/oidc.module.js';
import { PasskeysModule } from './identity/passkeys/passkeys.module.js';
import { StaffModule } from './identity/staff/staff.module.js';
import { MailWorkerModule } from './mail/mail.module.js';
import { MemberExportsModule } from './members/export/member-exports.module.js';
import { MembersModule } from './members/members.module.js';
import { ProvisioningModule } from './provisioning/provisioning.module.js';
import { SecretsModule } from './secrets/secrets.module.js';
import { TenantsModule } from './tenants/tenants.module.js';
import { TierChangesModule } from './tiers/tier-changes.module.js';
import { SiteTokensModule } from './site-tokens/site-tokens.module.js';
import { TokensModule } from './tokens/tokens.module.js';
import { TrustChangesModule } from './trust/trust-changes.module.js';
import { WorkspacesModule } from './workspaces/workspaces.module.js';
import { WebhooksModule } from './webhooks/webhooks.module.js';
import { UsageModule } from './usage/usage.module.js';

/** Everything; `WIREBOT_ROLES` decides which parts of it work in this process. */
@Module({
  imports: [
    CoreModule,
    HttpEdgeModule,
    IdentityModule,
    OidcModule,
    PasskeysModule,
    StaffModule,
    MailWorkerModule,
    TenantsModule,
    ApiKeysModule,
    MembersModule,
    MemberExportsModule,
    TokensModule,
    SiteTokensModule,
    TrustChangesModule,
    TierChangesModule,
    ProvisioningModule,
    BackupsModule,
    SecretsModule,
    EventsModule,
    AdminModule,
    AuditModule,
    WorkspacesModule,
    WebhooksModule,
    UsageModule,
    HealthModule,
  ],
})
export class AppModule {}

/** What `setup.ts` needs: no listeners, no reconciler. */
@Module({ imports: [CoreModule, IdentityModule, TenantsModule, TokensModule] })
export class SetupModule {}
