import type { Provider } from '@nestjs/common';
import { RouteRepairs } from '../../routing/route-repairs.js';
import type { DoctorCheck } from './check.js';
import { AgentsCheck } from './checks/agents.check.js';
import { BackupsCheck } from './checks/backups.check.js';
import { ClockCheck } from './checks/clock.check.js';
import { FoldersCheck } from './checks/folders.check.js';
import { HostsCheck } from './checks/hosts.check.js';
import { ImagesCheck } from './checks/images.check.js';
import { LeasesCheck } from './checks/leases.check.js';
import { MigrationsCheck } from './checks/migrations.check.js';
import { PhasesCheck } from './checks/phases.check.js';
import { PortsCheck } from './checks/ports.check.js';
import { PresenceCheck } from './checks/presence.check.js';
import { RoutesCheck } from './checks/routes.check.js';
import { StraysCheck } from './checks/strays.check.js';
import { WarmCheck } from './checks/warm.check.js';
import { Doctor, DoctorChecks } from './doctor.js';
import { HostLooks } from './host-looks.js';
import { RowRepairs } from './row-repairs.js';

/** What everything else rests on comes first. */
const CHECKS = [
  MigrationsCheck,
  ClockCheck,
  HostsCheck,
  ImagesCheck,
  LeasesCheck,
  PhasesCheck,
  PresenceCheck,
  RoutesCheck,
  AgentsCheck,
  WarmCheck,
  PortsCheck,
  FoldersCheck,
  BackupsCheck,
  StraysCheck,
];

export const doctorProviders: Provider[] = [
  RouteRepairs,
  RowRepairs,
  HostLooks,
  ...CHECKS,
  { provide: DoctorChecks, inject: CHECKS, useFactory: (...all: DoctorCheck[]): DoctorChecks => ({ all }) },
  Doctor,
];
