-- Tenancy, identity, trust, secrets, audit, usage and webhooks.

-- AlterTable
ALTER TABLE "tenants" ADD COLUMN     "closed_at" TIMESTAMPTZ(3),
ADD COLUMN     "erase_after" TIMESTAMPTZ(3),
ADD COLUMN     "erased_at" TIMESTAMPTZ(3),
ADD COLUMN     "limits" JSONB NOT NULL DEFAULT '{}',
ADD COLUMN     "platform_trust_ceiling" INTEGER NOT NULL DEFAULT 3,
ADD COLUMN     "suspended_at" TIMESTAMPTZ(3),
ADD COLUMN     "suspended_reason" TEXT,
ADD COLUMN     "version" INTEGER NOT NULL DEFAULT 1;

-- AlterTable
ALTER TABLE "tiers" ADD COLUMN     "idle_policy" JSONB NOT NULL DEFAULT '{}',
ADD COLUMN     "invited_trust_ceiling" INTEGER,
ADD COLUMN     "modules" TEXT[] DEFAULT ARRAY[]::TEXT[],
ADD COLUMN     "prices" JSONB NOT NULL DEFAULT '[]',
ADD COLUMN     "retired_at" TIMESTAMPTZ(3);

-- AlterTable
ALTER TABLE "members" ADD COLUMN     "invited_to" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "invited_until" TIMESTAMPTZ(3),
ADD COLUMN     "trust_cap" INTEGER,
ADD COLUMN     "trust_cap_reason" TEXT,
ADD COLUMN     "trust_cap_until" TIMESTAMPTZ(3);

-- AlterTable
ALTER TABLE "audit_entries" ADD COLUMN     "hash" BYTEA NOT NULL DEFAULT '\x',
ADD COLUMN     "origin" JSONB NOT NULL DEFAULT '{}',
ADD COLUMN     "seq" BIGINT NOT NULL DEFAULT 0,
ALTER COLUMN "tenant_id" DROP NOT NULL;
-- Lines from before the chain keep their order at 0 and below; the chain begins at 1.
UPDATE "audit_entries" a SET "seq" = n.place FROM (
  SELECT "id", row_number() OVER (PARTITION BY "tenant_id" ORDER BY "at", "id") - count(*) OVER (PARTITION BY "tenant_id") AS place
  FROM "audit_entries") n WHERE n."id" = a."id";
ALTER TABLE "audit_entries" ALTER COLUMN "hash" DROP DEFAULT, ALTER COLUMN "seq" DROP DEFAULT;

-- AlterTable
ALTER TABLE "api_keys" ADD COLUMN     "allowed_ips" TEXT[] DEFAULT ARRAY[]::TEXT[],
ADD COLUMN     "created_by" TEXT,
ADD COLUMN     "read_only" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "replaced_by_id" TEXT;

-- AlterTable
ALTER TABLE "users" ADD COLUMN     "disabled_at" TIMESTAMPTZ(3),
ADD COLUMN     "email_verified_at" TIMESTAMPTZ(3),
ADD COLUMN     "name" TEXT,
ADD COLUMN     "platform_role" TEXT,
ALTER COLUMN "password_hash" DROP NOT NULL;

-- Whoever could sign in until now operates the platform.
UPDATE "users" SET "platform_role" = 'operator', "email_verified_at" = "created_at";

-- Sessions from before carry too little to be listed: everybody signs in again.
DELETE FROM "user_sessions";

-- AlterTable
ALTER TABLE "user_sessions" DROP CONSTRAINT "user_sessions_pkey",
ADD COLUMN     "address" TEXT NOT NULL,
ADD COLUMN     "id" TEXT NOT NULL,
ADD COLUMN     "last_seen_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
ADD COLUMN     "method" TEXT NOT NULL,
ADD COLUMN     "proved_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
ADD COLUMN     "user_agent" TEXT NOT NULL,
ADD CONSTRAINT "user_sessions_pkey" PRIMARY KEY ("id");

-- AlterTable
ALTER TABLE "signing_keys" ADD COLUMN     "active_from" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
ADD COLUMN     "remove_after" TIMESTAMPTZ(3);

-- CreateTable
CREATE TABLE "tier_versions" (
    "tier_id" TEXT NOT NULL,
    "tenant_id" TEXT NOT NULL,
    "version" INTEGER NOT NULL,
    "content" JSONB NOT NULL,
    "actor" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "tier_versions_pkey" PRIMARY KEY ("tier_id","version")
);

-- CreateTable
CREATE TABLE "workspace_roles" (
    "workspace_id" TEXT NOT NULL,
    "member_id" TEXT NOT NULL,
    "tenant_id" TEXT NOT NULL,
    "role" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "workspace_roles_pkey" PRIMARY KEY ("workspace_id","member_id")
);

-- CreateTable
CREATE TABLE "invitations" (
    "id" TEXT NOT NULL,
    "tenant_id" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "code_hash" TEXT NOT NULL,
    "workspace_id" TEXT,
    "role" TEXT,
    "member_id" TEXT,
    "email" TEXT,
    "mode" INTEGER,
    "invited_by" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "accepted_at" TIMESTAMPTZ(3),
    "accepted_by" TEXT,
    "revoked_at" TIMESTAMPTZ(3),

    CONSTRAINT "invitations_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "member_exports" (
    "id" TEXT NOT NULL,
    "tenant_id" TEXT NOT NULL,
    "member_id" TEXT NOT NULL,
    "operation_id" TEXT NOT NULL,
    "sealed" BYTEA NOT NULL,
    "bytes" INTEGER NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "member_exports_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "trust_transitions" (
    "id" TEXT NOT NULL,
    "tenant_id" TEXT NOT NULL,
    "member_id" TEXT NOT NULL,
    "from_mode" INTEGER NOT NULL,
    "to_mode" INTEGER NOT NULL,
    "reason" TEXT NOT NULL,
    "detail" JSONB NOT NULL DEFAULT '{}',
    "actor" TEXT NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "trust_transitions_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "trust_signals" (
    "id" TEXT NOT NULL,
    "tenant_id" TEXT NOT NULL,
    "member_id" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "count" INTEGER NOT NULL DEFAULT 1,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "trust_signals_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "audit_heads" (
    "chain" TEXT NOT NULL,
    "tenant_id" TEXT,
    "seq" BIGINT NOT NULL DEFAULT 0,
    "hash" BYTEA NOT NULL,
    "seal" BYTEA NOT NULL,

    CONSTRAINT "audit_heads_pkey" PRIMARY KEY ("chain")
);

-- CreateTable
CREATE TABLE "tenant_staff" (
    "tenant_id" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "role" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "tenant_staff_pkey" PRIMARY KEY ("tenant_id","user_id")
);

-- CreateTable
CREATE TABLE "sign_in_attempts" (
    "token_hash" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "user_id" TEXT,
    "data" JSONB NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "tries" INTEGER NOT NULL DEFAULT 0,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "used_at" TIMESTAMPTZ(3),

    CONSTRAINT "sign_in_attempts_pkey" PRIMARY KEY ("token_hash")
);

-- CreateTable
CREATE TABLE "user_identities" (
    "provider_id" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "email" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "user_identities_pkey" PRIMARY KEY ("provider_id","subject")
);

-- CreateTable
CREATE TABLE "identity_providers" (
    "id" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "issuer" TEXT NOT NULL,
    "client_id" TEXT NOT NULL,
    "client_secret_sealed" BYTEA NOT NULL,
    "allowed_domains" TEXT[] DEFAULT ARRAY[]::TEXT[],
    "enabled" BOOLEAN NOT NULL DEFAULT true,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "identity_providers_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "passkeys" (
    "credential_id" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "public_key" BYTEA NOT NULL,
    "counter" BIGINT NOT NULL DEFAULT 0,
    "transports" TEXT[] DEFAULT ARRAY[]::TEXT[],
    "device_type" TEXT NOT NULL,
    "backed_up" BOOLEAN NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "last_used_at" TIMESTAMPTZ(3),

    CONSTRAINT "passkeys_pkey" PRIMARY KEY ("credential_id")
);

-- CreateTable
CREATE TABLE "user_totp" (
    "user_id" TEXT NOT NULL,
    "secret_sealed" BYTEA NOT NULL,
    "confirmed_at" TIMESTAMPTZ(3),
    "last_step" BIGINT NOT NULL DEFAULT 0,
    "recovery_hashes" TEXT[] DEFAULT ARRAY[]::TEXT[],
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "user_totp_pkey" PRIMARY KEY ("user_id")
);

-- CreateTable
CREATE TABLE "mails" (
    "id" TEXT NOT NULL,
    "tenant_id" TEXT,
    "recipient" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "sealed" BYTEA,
    "status" TEXT NOT NULL DEFAULT 'pending',
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "due_at" TIMESTAMPTZ(3) DEFAULT CURRENT_TIMESTAMP,
    "last_error" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "sent_at" TIMESTAMPTZ(3),

    CONSTRAINT "mails_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "shared_secret_issuers" (
    "tenant_id" TEXT NOT NULL,
    "enabled" BOOLEAN NOT NULL DEFAULT true,
    "secret_sealed" BYTEA NOT NULL,
    "previous_sealed" BYTEA,
    "previous_until" TIMESTAMPTZ(3),
    "issuer" TEXT,
    "audience" TEXT,
    "trust_mode_max" INTEGER NOT NULL DEFAULT 2,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "shared_secret_issuers_pkey" PRIMARY KEY ("tenant_id")
);

-- CreateTable
CREATE TABLE "data_keys" (
    "id" TEXT NOT NULL,
    "tenant_id" TEXT,
    "wrapped" BYTEA NOT NULL,
    "master_id" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "retired_at" TIMESTAMPTZ(3),

    CONSTRAINT "data_keys_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "secrets" (
    "id" TEXT NOT NULL,
    "tenant_id" TEXT,
    "member_id" TEXT,
    "purpose" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "sealed" BYTEA NOT NULL,
    "data_key_id" TEXT NOT NULL,
    "hint" TEXT,
    "version" INTEGER NOT NULL DEFAULT 1,
    "created_by" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "secrets_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "usage_records" (
    "id" TEXT NOT NULL,
    "tenant_id" TEXT NOT NULL,
    "member_id" TEXT NOT NULL,
    "workspace_id" TEXT NOT NULL,
    "agent_id" TEXT NOT NULL,
    "tier_key" TEXT NOT NULL,
    "task_id" TEXT,
    "provider" TEXT NOT NULL,
    "model" TEXT NOT NULL,
    "key_owner" TEXT NOT NULL DEFAULT 'platform',
    "input_tokens" BIGINT NOT NULL,
    "output_tokens" BIGINT NOT NULL,
    "cached_tokens" BIGINT NOT NULL DEFAULT 0,
    "cost_micros" BIGINT,
    "outcome" TEXT NOT NULL,
    "estimated" BOOLEAN NOT NULL DEFAULT false,
    "message" BOOLEAN NOT NULL DEFAULT false,
    "duration_ms" INTEGER NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,
    "recorded_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "usage_records_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "usage_days" (
    "day" DATE NOT NULL,
    "tenant_id" TEXT NOT NULL,
    "member_id" TEXT NOT NULL,
    "workspace_id" TEXT NOT NULL,
    "tier_key" TEXT NOT NULL,
    "provider" TEXT NOT NULL,
    "model" TEXT NOT NULL,
    "calls" BIGINT NOT NULL DEFAULT 0,
    "messages" BIGINT NOT NULL DEFAULT 0,
    "input_tokens" BIGINT NOT NULL DEFAULT 0,
    "output_tokens" BIGINT NOT NULL DEFAULT 0,
    "cached_tokens" BIGINT NOT NULL DEFAULT 0,
    "cost_micros" BIGINT NOT NULL DEFAULT 0,
    "unpriced_calls" BIGINT NOT NULL DEFAULT 0,
    "estimated_calls" BIGINT NOT NULL DEFAULT 0,

    CONSTRAINT "usage_days_pkey" PRIMARY KEY ("day","tenant_id","member_id","workspace_id","tier_key","provider","model")
);

-- CreateTable
CREATE TABLE "quota_counters" (
    "tenant_id" TEXT NOT NULL,
    "scope" TEXT NOT NULL,
    "scope_id" TEXT NOT NULL,
    "day" DATE NOT NULL,
    "used_tokens" BIGINT NOT NULL DEFAULT 0,
    "leased_tokens" BIGINT NOT NULL DEFAULT 0,
    "used_micros" BIGINT NOT NULL DEFAULT 0,
    "leased_micros" BIGINT NOT NULL DEFAULT 0,
    "messages" BIGINT NOT NULL DEFAULT 0,
    "alerted" INTEGER NOT NULL DEFAULT 0,

    CONSTRAINT "quota_counters_pkey" PRIMARY KEY ("tenant_id","scope","scope_id","day")
);

-- CreateTable
CREATE TABLE "quota_leases" (
    "id" TEXT NOT NULL,
    "tenant_id" TEXT NOT NULL,
    "member_id" TEXT NOT NULL,
    "broker" TEXT NOT NULL,
    "boot" TEXT NOT NULL,
    "day" DATE NOT NULL,
    "granted_tokens" BIGINT NOT NULL DEFAULT 0,
    "granted_micros" BIGINT NOT NULL DEFAULT 0,
    "returned_tokens" BIGINT NOT NULL DEFAULT 0,
    "returned_micros" BIGINT NOT NULL DEFAULT 0,
    "spent_tokens" BIGINT NOT NULL DEFAULT 0,
    "spent_micros" BIGINT NOT NULL DEFAULT 0,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "quota_leases_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "webhook_endpoints" (
    "id" TEXT NOT NULL,
    "tenant_id" TEXT NOT NULL,
    "url" TEXT NOT NULL,
    "description" TEXT,
    "events" TEXT[],
    "secret_sealed" BYTEA NOT NULL,
    "previous_sealed" BYTEA,
    "previous_until" TIMESTAMPTZ(3),
    "status" TEXT NOT NULL DEFAULT 'active',
    "disabled_reason" TEXT,
    "failing_since" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "webhook_endpoints_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "webhook_deliveries" (
    "id" TEXT NOT NULL,
    "tenant_id" TEXT NOT NULL,
    "endpoint_id" TEXT NOT NULL,
    "event_id" TEXT NOT NULL,
    "type" TEXT NOT NULL,
    "payload" JSONB NOT NULL,
    "status" TEXT NOT NULL DEFAULT 'pending',
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "due_at" TIMESTAMPTZ(3) DEFAULT CURRENT_TIMESTAMP,
    "lease_until" TIMESTAMPTZ(3),
    "log" JSONB NOT NULL DEFAULT '[]',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "finished_at" TIMESTAMPTZ(3),

    CONSTRAINT "webhook_deliveries_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "outbox_cursors" (
    "reader" TEXT NOT NULL,
    "txid" BIGINT NOT NULL DEFAULT 0,
    "seq" BIGINT NOT NULL DEFAULT 0,

    CONSTRAINT "outbox_cursors_pkey" PRIMARY KEY ("reader")
);

-- CreateIndex
CREATE INDEX "tier_versions_tenant_id_idx" ON "tier_versions"("tenant_id");

-- CreateIndex
CREATE INDEX "workspace_roles_tenant_id_member_id_idx" ON "workspace_roles"("tenant_id", "member_id");

-- CreateIndex
CREATE UNIQUE INDEX "invitations_code_hash_key" ON "invitations"("code_hash");

-- CreateIndex
CREATE INDEX "invitations_tenant_id_kind_created_at_idx" ON "invitations"("tenant_id", "kind", "created_at");

-- CreateIndex
CREATE UNIQUE INDEX "member_exports_operation_id_key" ON "member_exports"("operation_id");

-- CreateIndex
CREATE INDEX "member_exports_tenant_id_member_id_idx" ON "member_exports"("tenant_id", "member_id");

-- CreateIndex
CREATE INDEX "member_exports_expires_at_idx" ON "member_exports"("expires_at");

-- CreateIndex
CREATE INDEX "trust_transitions_tenant_id_member_id_at_idx" ON "trust_transitions"("tenant_id", "member_id", "at");

-- CreateIndex
CREATE INDEX "trust_signals_tenant_id_member_id_at_idx" ON "trust_signals"("tenant_id", "member_id", "at");

-- CreateIndex
CREATE INDEX "tenant_staff_user_id_idx" ON "tenant_staff"("user_id");

-- CreateIndex
CREATE INDEX "sign_in_attempts_expires_at_idx" ON "sign_in_attempts"("expires_at");

-- CreateIndex
CREATE INDEX "sign_in_attempts_user_id_idx" ON "sign_in_attempts"("user_id");

-- CreateIndex
CREATE INDEX "user_identities_user_id_idx" ON "user_identities"("user_id");

-- CreateIndex
CREATE UNIQUE INDEX "identity_providers_key_key" ON "identity_providers"("key");

-- CreateIndex
CREATE INDEX "passkeys_user_id_idx" ON "passkeys"("user_id");

-- CreateIndex
CREATE INDEX "mails_due_at_idx" ON "mails"("due_at");

-- CreateIndex
CREATE INDEX "data_keys_tenant_id_idx" ON "data_keys"("tenant_id");

-- CreateIndex
CREATE INDEX "secrets_tenant_id_purpose_idx" ON "secrets"("tenant_id", "purpose");

-- CreateIndex
CREATE INDEX "secrets_data_key_id_idx" ON "secrets"("data_key_id");

-- CreateIndex
CREATE INDEX "usage_records_tenant_id_at_idx" ON "usage_records"("tenant_id", "at");

-- CreateIndex
CREATE INDEX "usage_records_tenant_id_member_id_at_idx" ON "usage_records"("tenant_id", "member_id", "at");

-- CreateIndex
CREATE INDEX "usage_records_tenant_id_task_id_idx" ON "usage_records"("tenant_id", "task_id");

-- CreateIndex
CREATE INDEX "usage_records_at_idx" ON "usage_records"("at");

-- CreateIndex
CREATE INDEX "usage_days_tenant_id_day_idx" ON "usage_days"("tenant_id", "day");

-- CreateIndex
CREATE INDEX "quota_leases_tenant_id_idx" ON "quota_leases"("tenant_id");

-- CreateIndex
CREATE INDEX "quota_leases_expires_at_idx" ON "quota_leases"("expires_at");

-- CreateIndex
CREATE INDEX "quota_leases_broker_idx" ON "quota_leases"("broker");

-- CreateIndex
CREATE INDEX "webhook_endpoints_tenant_id_idx" ON "webhook_endpoints"("tenant_id");

-- CreateIndex
CREATE INDEX "webhook_deliveries_tenant_id_created_at_idx" ON "webhook_deliveries"("tenant_id", "created_at");

-- CreateIndex
CREATE INDEX "webhook_deliveries_due_at_idx" ON "webhook_deliveries"("due_at");

-- CreateIndex
CREATE UNIQUE INDEX "webhook_deliveries_endpoint_id_event_id_key" ON "webhook_deliveries"("endpoint_id", "event_id");

-- CreateIndex
CREATE INDEX "audit_entries_tenant_id_resource_resource_id_idx" ON "audit_entries"("tenant_id", "resource", "resource_id");

-- CreateIndex
CREATE UNIQUE INDEX "audit_entries_tenant_id_seq_key" ON "audit_entries"("tenant_id", "seq");

-- CreateIndex
CREATE UNIQUE INDEX "user_sessions_id_hash_key" ON "user_sessions"("id_hash");

-- AddForeignKey
ALTER TABLE "tenant_staff" ADD CONSTRAINT "tenant_staff_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "tenant_staff" ADD CONSTRAINT "tenant_staff_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "user_identities" ADD CONSTRAINT "user_identities_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "user_identities" ADD CONSTRAINT "user_identities_provider_id_fkey" FOREIGN KEY ("provider_id") REFERENCES "identity_providers"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "passkeys" ADD CONSTRAINT "passkeys_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "user_totp" ADD CONSTRAINT "user_totp_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "webhook_deliveries" ADD CONSTRAINT "webhook_deliveries_endpoint_id_fkey" FOREIGN KEY ("endpoint_id") REFERENCES "webhook_endpoints"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- Every workspace's owner has a role in it.
INSERT INTO "workspace_roles" ("workspace_id", "member_id", "tenant_id", "role")
SELECT "id", "member_id", "tenant_id", 'owner' FROM "workspaces";

-- One owner of a workspace, never two.
CREATE UNIQUE INDEX "workspace_roles_owner_key" ON "workspace_roles" ("workspace_id") WHERE "role" = 'owner';
ALTER TABLE "workspace_roles" ADD CONSTRAINT "workspace_roles_role_check" CHECK ("role" IN ('owner', 'admin', 'member', 'guest'));

-- One platform-wide chain beside those of tenants, and one secret per name.
CREATE UNIQUE INDEX "audit_entries_platform_seq_key" ON "audit_entries" ("seq") WHERE "tenant_id" IS NULL;
CREATE UNIQUE INDEX "secrets_owner_key" ON "secrets" (coalesce("tenant_id", ''), coalesce("member_id", ''), "purpose", "name");

-- What may be what.
ALTER TABLE "members" ADD CONSTRAINT "members_trust_check" CHECK ("invited_to" BETWEEN 0 AND 3 AND ("trust_cap" IS NULL OR "trust_cap" BETWEEN 0 AND 3));
ALTER TABLE "tiers" ADD CONSTRAINT "tiers_trust_check" CHECK ("trust_ceiling" BETWEEN 0 AND 3 AND ("invited_trust_ceiling" IS NULL OR "invited_trust_ceiling" BETWEEN "trust_ceiling" AND 3));
ALTER TABLE "shared_secret_issuers" ADD CONSTRAINT "shared_secret_issuers_trust_check" CHECK ("trust_mode_max" BETWEEN 0 AND 2);

ALTER TABLE "tier_versions" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "tier_versions" FORCE ROW LEVEL SECURITY;
CREATE POLICY "own_tenant" ON "tier_versions" TO wirebot_app
  USING ("tenant_id" = nullif(current_setting('app.tenant_id', true), ''))
  WITH CHECK ("tenant_id" = nullif(current_setting('app.tenant_id', true), ''));
CREATE POLICY "every_tenant" ON "tier_versions" TO wirebot_system USING (true) WITH CHECK (true);

ALTER TABLE "workspace_roles" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "workspace_roles" FORCE ROW LEVEL SECURITY;
CREATE POLICY "own_tenant" ON "workspace_roles" TO wirebot_app
  USING ("tenant_id" = nullif(current_setting('app.tenant_id', true), ''))
  WITH CHECK ("tenant_id" = nullif(current_setting('app.tenant_id', true), ''));
CREATE POLICY "every_tenant" ON "workspace_roles" TO wirebot_system USING (true) WITH CHECK (true);

ALTER TABLE "invitations" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "invitations" FORCE ROW LEVEL SECURITY;
CREATE POLICY "own_tenant" ON "invitations" TO wirebot_app
  USING ("tenant_id" = nullif(current_setting('app.tenant_id', true), ''))
  WITH CHECK ("tenant_id" = nullif(current_setting('app.tenant_id', true), ''));
CREATE POLICY "every_tenant" ON "invitations" TO wirebot_system USING (true) WITH CHECK (true);

ALTER TABLE "member_exports" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "member_exports" FORCE ROW LEVEL SECURITY;
CREATE POLICY "own_tenant" ON "member_exports" TO wirebot_app
  USING ("tenant_id" = nullif(current_setting('app.tenant_id', true), ''))
  WITH CHECK ("tenant_id" = nullif(current_setting('app.tenant_id', true), ''));
CREATE POLICY "every_tenant" ON "member_exports" TO wirebot_system USING (true) WITH CHECK (true);

ALTER TABLE "trust_transitions" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "trust_transitions" FORCE ROW LEVEL SECURITY;
CREATE POLICY "own_tenant" ON "trust_transitions" TO wirebot_app
  USING ("tenant_id" = nullif(current_setting('app.tenant_id', true), ''))
  WITH CHECK ("tenant_id" = nullif(current_setting('app.tenant_id', true), ''));
CREATE POLICY "every_tenant" ON "trust_transitions" TO wirebot_system USING (true) WITH CHECK (true);

ALTER TABLE "trust_signals" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "trust_signals" FORCE ROW LEVEL SECURITY;
CREATE POLICY "own_tenant" ON "trust_signals" TO wirebot_app
  USING ("tenant_id" = nullif(current_setting('app.tenant_id', true), ''))
  WITH CHECK ("tenant_id" = nullif(current_setting('app.tenant_id', true), ''));
CREATE POLICY "every_tenant" ON "trust_signals" TO wirebot_system USING (true) WITH CHECK (true);

ALTER TABLE "audit_heads" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "audit_heads" FORCE ROW LEVEL SECURITY;
CREATE POLICY "own_tenant" ON "audit_heads" TO wirebot_app
  USING ("tenant_id" = nullif(current_setting('app.tenant_id', true), ''))
  WITH CHECK ("tenant_id" = nullif(current_setting('app.tenant_id', true), ''));
CREATE POLICY "every_tenant" ON "audit_heads" TO wirebot_system USING (true) WITH CHECK (true);

ALTER TABLE "tenant_staff" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "tenant_staff" FORCE ROW LEVEL SECURITY;
CREATE POLICY "own_tenant" ON "tenant_staff" TO wirebot_app
  USING ("tenant_id" = nullif(current_setting('app.tenant_id', true), ''))
  WITH CHECK ("tenant_id" = nullif(current_setting('app.tenant_id', true), ''));
CREATE POLICY "every_tenant" ON "tenant_staff" TO wirebot_system USING (true) WITH CHECK (true);

ALTER TABLE "mails" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "mails" FORCE ROW LEVEL SECURITY;
CREATE POLICY "own_tenant" ON "mails" TO wirebot_app
  USING ("tenant_id" = nullif(current_setting('app.tenant_id', true), ''))
  WITH CHECK ("tenant_id" = nullif(current_setting('app.tenant_id', true), ''));
CREATE POLICY "every_tenant" ON "mails" TO wirebot_system USING (true) WITH CHECK (true);

ALTER TABLE "shared_secret_issuers" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "shared_secret_issuers" FORCE ROW LEVEL SECURITY;
CREATE POLICY "own_tenant" ON "shared_secret_issuers" TO wirebot_app
  USING ("tenant_id" = nullif(current_setting('app.tenant_id', true), ''))
  WITH CHECK ("tenant_id" = nullif(current_setting('app.tenant_id', true), ''));
CREATE POLICY "every_tenant" ON "shared_secret_issuers" TO wirebot_system USING (true) WITH CHECK (true);

ALTER TABLE "data_keys" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "data_keys" FORCE ROW LEVEL SECURITY;
CREATE POLICY "own_tenant" ON "data_keys" TO wirebot_app
  USING ("tenant_id" = nullif(current_setting('app.tenant_id', true), ''))
  WITH CHECK ("tenant_id" = nullif(current_setting('app.tenant_id', true), ''));
CREATE POLICY "every_tenant" ON "data_keys" TO wirebot_system USING (true) WITH CHECK (true);

ALTER TABLE "secrets" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "secrets" FORCE ROW LEVEL SECURITY;
CREATE POLICY "own_tenant" ON "secrets" TO wirebot_app
  USING ("tenant_id" = nullif(current_setting('app.tenant_id', true), ''))
  WITH CHECK ("tenant_id" = nullif(current_setting('app.tenant_id', true), ''));
CREATE POLICY "every_tenant" ON "secrets" TO wirebot_system USING (true) WITH CHECK (true);

ALTER TABLE "usage_records" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "usage_records" FORCE ROW LEVEL SECURITY;
CREATE POLICY "own_tenant" ON "usage_records" TO wirebot_app
  USING ("tenant_id" = nullif(current_setting('app.tenant_id', true), ''))
  WITH CHECK ("tenant_id" = nullif(current_setting('app.tenant_id', true), ''));
CREATE POLICY "every_tenant" ON "usage_records" TO wirebot_system USING (true) WITH CHECK (true);

ALTER TABLE "usage_days" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "usage_days" FORCE ROW LEVEL SECURITY;
CREATE POLICY "own_tenant" ON "usage_days" TO wirebot_app
  USING ("tenant_id" = nullif(current_setting('app.tenant_id', true), ''))
  WITH CHECK ("tenant_id" = nullif(current_setting('app.tenant_id', true), ''));
CREATE POLICY "every_tenant" ON "usage_days" TO wirebot_system USING (true) WITH CHECK (true);

ALTER TABLE "quota_counters" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "quota_counters" FORCE ROW LEVEL SECURITY;
CREATE POLICY "own_tenant" ON "quota_counters" TO wirebot_app
  USING ("tenant_id" = nullif(current_setting('app.tenant_id', true), ''))
  WITH CHECK ("tenant_id" = nullif(current_setting('app.tenant_id', true), ''));
CREATE POLICY "every_tenant" ON "quota_counters" TO wirebot_system USING (true) WITH CHECK (true);

ALTER TABLE "quota_leases" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "quota_leases" FORCE ROW LEVEL SECURITY;
CREATE POLICY "own_tenant" ON "quota_leases" TO wirebot_app
  USING ("tenant_id" = nullif(current_setting('app.tenant_id', true), ''))
  WITH CHECK ("tenant_id" = nullif(current_setting('app.tenant_id', true), ''));
CREATE POLICY "every_tenant" ON "quota_leases" TO wirebot_system USING (true) WITH CHECK (true);

ALTER TABLE "webhook_endpoints" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "webhook_endpoints" FORCE ROW LEVEL SECURITY;
CREATE POLICY "own_tenant" ON "webhook_endpoints" TO wirebot_app
  USING ("tenant_id" = nullif(current_setting('app.tenant_id', true), ''))
  WITH CHECK ("tenant_id" = nullif(current_setting('app.tenant_id', true), ''));
CREATE POLICY "every_tenant" ON "webhook_endpoints" TO wirebot_system USING (true) WITH CHECK (true);

ALTER TABLE "webhook_deliveries" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "webhook_deliveries" FORCE ROW LEVEL SECURITY;
CREATE POLICY "own_tenant" ON "webhook_deliveries" TO wirebot_app
  USING ("tenant_id" = nullif(current_setting('app.tenant_id', true), ''))
  WITH CHECK ("tenant_id" = nullif(current_setting('app.tenant_id', true), ''));
CREATE POLICY "every_tenant" ON "webhook_deliveries" TO wirebot_system USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO wirebot_system;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO wirebot_app, wirebot_system;

-- What serving one tenant needs, and no more.
GRANT SELECT, INSERT ON "member_exports", "tier_versions", "trust_transitions" TO wirebot_app;
-- A tier's resources are those of its members' own gateways; everything else about gateways is the reconciler's.
GRANT UPDATE ("resources", "generation", "due_at", "updated_at") ON "gateways" TO wirebot_app;
GRANT SELECT, INSERT, DELETE ON "trust_signals" TO wirebot_app;
GRANT SELECT, INSERT, UPDATE ON "audit_heads", "invitations", "shared_secret_issuers" TO wirebot_app;
GRANT DELETE ON "shared_secret_issuers" TO wirebot_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON "workspace_roles", "webhook_endpoints", "webhook_deliveries" TO wirebot_app;
GRANT SELECT ON "tenant_staff", "usage_records", "usage_days", "quota_counters" TO wirebot_app;
GRANT SELECT ("id", "tenant_id", "member_id", "purpose", "name", "data_key_id", "hint", "version", "created_by", "created_at", "updated_at")
  ON "secrets" TO wirebot_app;
GRANT INSERT, UPDATE, DELETE ON "secrets" TO wirebot_app;
-- A changed secret is delivered anew: the gateway gets a new configuration number and is due.
GRANT UPDATE ("config_generation", "due_at") ON "gateways" TO wirebot_app;

-- The audit log is only ever added to.
REVOKE UPDATE, DELETE, TRUNCATE ON "audit_entries" FROM wirebot_app, wirebot_system;
REVOKE DELETE, TRUNCATE ON "audit_heads" FROM wirebot_app, wirebot_system;
