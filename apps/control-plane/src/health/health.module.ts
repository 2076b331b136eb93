import { Global, Module } from '@nestjs/common';
import { Metrics } from '#libs/telemetry';
import { HealthController } from './health.controller.js';
import { RequestMetrics } from './request-metrics.js';

/**
 * /health, /ready and /metrics; makes `Metrics` available everywhere.
 *
 * app.module.ts must provide globally: Database, CoordinationHandle. Only for an application with an HTTP server.
 */
@Global()
@Module({
  controllers: [HealthController],
  providers: [RequestMetrics, { provide: Metrics, useFactory: () => new Metrics('control-plane') }],
  exports: [Metrics],
})
export class HealthModule {}
