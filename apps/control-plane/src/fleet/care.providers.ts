import type { Provider, Type } from '@nestjs/common';
import { DiagnosticsController } from './diagnostics/diagnostics.controller.js';
import { DiagnosticsService } from './diagnostics/diagnostics.service.js';
import { LogFollower } from './diagnostics/log-follower.js';
import { LogsController } from './diagnostics/logs.controller.js';
import { DoctorController } from '../provisioning/doctor/doctor.controller.js';
import { doctorProviders } from '../provisioning/doctor/doctor.providers.js';
import { FindingsController } from '../provisioning/inventory/findings.controller.js';
import { QuarantineController } from './quarantine/quarantine.controller.js';
import { QuarantineService } from './quarantine/quarantine.service.js';

/** What an operator looks at and does when something is wrong with one gateway. */
export const careControllers: Type[] = [
  DiagnosticsController,
  LogsController,
  QuarantineController,
  DoctorController,
  FindingsController,
];
export const careProviders: Provider[] = [DiagnosticsService, LogFollower, QuarantineService, ...doctorProviders];
