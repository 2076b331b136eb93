import { WakeController } from '../../routing/wake.controller.js';
import { GatewaySleep } from '../gateway-sleep.js';
import { Asleep } from './asleep.js';
import { FallingAsleep } from './falling-asleep.js';
import { GatewaySleepController } from './gateway-sleep.controller.js';
import { SleepMetrics } from './sleep-metrics.js';
import { SleepOrders } from './sleep-orders.js';
import { SleepRepository } from './sleep.repository.js';
import { SleepRows } from './sleep-rows.js';
import { StatusRecord } from './status-record.js';
import { Wakes } from './wakes.js';

/** Everything of sleep and waking. */
export const sleepProviders = [
  SleepRepository,
  SleepMetrics,
  SleepRows,
  StatusRecord,
  FallingAsleep,
  Asleep,
  GatewaySleep,
  Wakes,
  SleepOrders,
];

export const sleepControllers = [WakeController, GatewaySleepController];
