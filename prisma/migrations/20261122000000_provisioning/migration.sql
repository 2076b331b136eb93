-- DropForeignKey
ALTER TABLE "gateways" DROP CONSTRAINT "gateways_tenant_id_fkey";

-- AlterTable
ALTER TABLE "agents" ADD COLUMN     "disk_bytes" BIGINT,
ADD COLUMN     "leave_gateway_id" TEXT,
ADD COLUMN     "restore_backup_id" TEXT,
ADD COLUMN     "wanted_host_id" TEXT;

-- AlterTable
ALTER TABLE "gateways" ADD COLUMN     "awake_until" TIMESTAMPTZ(3),
ADD COLUMN     "claimed_at" TIMESTAMPTZ(3),
ADD COLUMN     "idle_since" TIMESTAMPTZ(3),
ADD COLUMN     "load" JSONB,
ADD COLUMN     "load_at" TIMESTAMPTZ(3),
ADD COLUMN     "next_job_at" TIMESTAMPTZ(3),
ADD COLUMN     "pool" TEXT,
ADD COLUMN     "quarantined_at" TIMESTAMPTZ(3),
ADD COLUMN     "rest_asked_at" TIMESTAMPTZ(3),
ADD COLUMN     "rollback" JSONB,
ADD COLUMN     "rollout_id" TEXT,
ADD COLUMN     "target_image" TEXT,
ALTER COLUMN "tenant_id" DROP NOT NULL;

-- AlterTable
ALTER TABLE "hosts" ADD COLUMN     "capacity" JSONB NOT NULL DEFAULT '{}',
ADD COLUMN     "connection" JSONB NOT NULL DEFAULT '{"kind":"local"}',
ADD COLUMN     "facts" JSONB,
ADD COLUMN     "labels" JSONB NOT NULL DEFAULT '{}',
ADD COLUMN     "last_seen_at" TIMESTAMPTZ(3),
ADD COLUMN     "reason" TEXT,
ADD COLUMN     "silent_since" TIMESTAMPTZ(3),
ADD COLUMN     "start_empty" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "state" TEXT NOT NULL DEFAULT 'active',
ADD COLUMN     "state_since" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP;

-- AlterTable
ALTER TABLE "installation" ADD COLUMN     "settings" JSONB NOT NULL DEFAULT '{}',
ADD COLUMN     "warm_pool" JSONB NOT NULL DEFAULT '{}';

-- CreateTable
CREATE TABLE "host_credentials" (
    "host_id" TEXT NOT NULL,
    "sealed" BYTEA NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "host_credentials_pkey" PRIMARY KEY ("host_id")
);

-- AlterTable
ALTER TABLE "tiers" ADD COLUMN     "backups" JSONB NOT NULL DEFAULT '{}';

-- CreateTable
CREATE TABLE "rollouts" (
    "id" TEXT NOT NULL,
    "image" TEXT NOT NULL,
    "policy" JSONB NOT NULL,
    "scope" JSONB NOT NULL DEFAULT '{}',
    "status" TEXT NOT NULL DEFAULT 'pending',
    "reason" TEXT,
    "actor" TEXT NOT NULL,
    "requested" TEXT NOT NULL,
    "canaries_passed_at" TIMESTAMPTZ(3),
    "forgiven" INTEGER NOT NULL DEFAULT 0,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,
    "finished_at" TIMESTAMPTZ(3),

    CONSTRAINT "rollouts_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "rollout_targets" (
    "rollout_id" TEXT NOT NULL,
    "gateway_id" TEXT NOT NULL,
    "canary" BOOLEAN NOT NULL DEFAULT false,
    "status" TEXT NOT NULL DEFAULT 'pending',
    "from_image" TEXT NOT NULL,
    "reason" TEXT,
    "started_at" TIMESTAMPTZ(3),
    "finished_at" TIMESTAMPTZ(3),

    CONSTRAINT "rollout_targets_pkey" PRIMARY KEY ("rollout_id","gateway_id")
);

-- CreateTable
CREATE TABLE "backups" (
    "id" TEXT NOT NULL,
    "tenant_id" TEXT NOT NULL,
    "member_id" TEXT NOT NULL,
    "agent_id" TEXT NOT NULL,
    "gateway_id" TEXT,
    "kind" TEXT NOT NULL,
    "status" TEXT NOT NULL DEFAULT 'pending',
    "store" TEXT NOT NULL,
    "object_key" TEXT NOT NULL,
    "bytes" BIGINT,
    "sha256" TEXT,
    "manifest" JSONB,
    "error" JSONB,
    "version" TEXT,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "finished_at" TIMESTAMPTZ(3),
    "expires_at" TIMESTAMPTZ(3),
    "verified_at" TIMESTAMPTZ(3),
    "lease_owner" TEXT,
    "lease_until" TIMESTAMPTZ(3),
    "operation_id" TEXT,
    "due_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "key_id" TEXT,

    CONSTRAINT "backups_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "backup_keys" (
    "id" TEXT NOT NULL,
    "tenant_id" TEXT NOT NULL,
    "recipient" TEXT NOT NULL,
    "identity_sealed" BYTEA NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "retired_at" TIMESTAMPTZ(3),

    CONSTRAINT "backup_keys_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "inventory_findings" (
    "id" TEXT NOT NULL,
    "host_id" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "gateway_id" TEXT,
    "reason" TEXT NOT NULL,
    "message" TEXT NOT NULL,
    "state" TEXT NOT NULL DEFAULT 'open',
    "detail" JSONB NOT NULL DEFAULT '{}',
    "first_seen" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "last_seen" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "sightings" INTEGER NOT NULL DEFAULT 1,
    "resolved_at" TIMESTAMPTZ(3),

    CONSTRAINT "inventory_findings_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "leaderships" (
    "duty" TEXT NOT NULL,
    "owner" TEXT NOT NULL,
    "fence" BIGINT NOT NULL DEFAULT 1,
    "until" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "leaderships_pkey" PRIMARY KEY ("duty")
);

-- CreateIndex
CREATE INDEX "rollouts_status_idx" ON "rollouts"("status");

-- CreateIndex
CREATE INDEX "rollout_targets_gateway_id_idx" ON "rollout_targets"("gateway_id");

-- CreateIndex
CREATE INDEX "backups_tenant_id_agent_id_created_at_idx" ON "backups"("tenant_id", "agent_id", "created_at");

-- CreateIndex
CREATE INDEX "backups_status_lease_until_idx" ON "backups"("status", "lease_until");

-- CreateIndex
CREATE INDEX "backups_expires_at_idx" ON "backups"("expires_at");

-- CreateIndex
CREATE INDEX "backup_keys_tenant_id_created_at_idx" ON "backup_keys"("tenant_id", "created_at");

-- CreateIndex
CREATE INDEX "inventory_findings_state_idx" ON "inventory_findings"("state");

-- CreateIndex
CREATE UNIQUE INDEX "inventory_findings_host_id_kind_name_reason_key" ON "inventory_findings"("host_id", "kind", "name", "reason");

-- CreateIndex
CREATE INDEX "gateways_pool_phase_idx" ON "gateways"("pool", "phase");

-- CreateIndex
CREATE INDEX "gateways_rollout_id_idx" ON "gateways"("rollout_id");

-- A gateway that falls asleep or wakes changes its own routes, whatever others there are.
CREATE INDEX "routes_gateway_idx" ON "routes" ((route->>'gatewayId'));

-- AddForeignKey
ALTER TABLE "host_credentials" ADD CONSTRAINT "host_credentials_host_id_fkey" FOREIGN KEY ("host_id") REFERENCES "hosts"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "gateways" ADD CONSTRAINT "gateways_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "gateways" ADD CONSTRAINT "gateways_rollout_id_fkey" FOREIGN KEY ("rollout_id") REFERENCES "rollouts"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "rollout_targets" ADD CONSTRAINT "rollout_targets_rollout_id_fkey" FOREIGN KEY ("rollout_id") REFERENCES "rollouts"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "backups" ADD CONSTRAINT "backups_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "backup_keys" ADD CONSTRAINT "backup_keys_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "inventory_findings" ADD CONSTRAINT "inventory_findings_host_id_fkey" FOREIGN KEY ("host_id") REFERENCES "hosts"("id") ON DELETE CASCADE ON UPDATE CASCADE;


ALTER TABLE "backups" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "backups" FORCE ROW LEVEL SECURITY;
CREATE POLICY "own_tenant" ON "backups" TO wirebot_app
  USING ("tenant_id" = nullif(current_setting('app.tenant_id', true), ''))
  WITH CHECK ("tenant_id" = nullif(current_setting('app.tenant_id', true), ''));
CREATE POLICY "every_tenant" ON "backups" TO wirebot_system USING (true) WITH CHECK (true);

ALTER TABLE "backup_keys" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "backup_keys" FORCE ROW LEVEL SECURITY;
CREATE POLICY "own_tenant" ON "backup_keys" TO wirebot_app
  USING ("tenant_id" = nullif(current_setting('app.tenant_id', true), ''))
  WITH CHECK ("tenant_id" = nullif(current_setting('app.tenant_id', true), ''));
CREATE POLICY "every_tenant" ON "backup_keys" TO wirebot_system USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO wirebot_system;
REVOKE UPDATE, DELETE, TRUNCATE ON "audit_entries" FROM wirebot_app, wirebot_system;
REVOKE DELETE, TRUNCATE ON "audit_heads" FROM wirebot_app, wirebot_system;

-- A tenant asks for backups, reads what became of them and gives them up; their keys and their work are the system's.
GRANT SELECT, INSERT, UPDATE ON "backups" TO wirebot_app;

-- Tenants need the installation's name, not what operators decided.
REVOKE SELECT ON "installation" FROM wirebot_app;
GRANT SELECT ("id", "epoch", "created_at") ON "installation" TO wirebot_app;

-- Nobody's gateway is a warm one, and a warm one is nobody's.
ALTER TABLE "gateways" ADD CONSTRAINT "gateways_warm_is_nobodys" CHECK (("pool" IS NULL) = ("tenant_id" IS NOT NULL) OR "phase" = 'deleted');

-- Never two backups of one agent at the same time, and one key of a tenant that is encrypted to.
CREATE UNIQUE INDEX "backups_one_at_a_time" ON "backups"("agent_id") WHERE "status" = 'running';
CREATE UNIQUE INDEX "backup_keys_one_current" ON "backup_keys"("tenant_id") WHERE "retired_at" IS NULL;
