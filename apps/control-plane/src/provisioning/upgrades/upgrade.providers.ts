import { GatewayImages } from './gateway-images.js';
import { KeptStates } from './kept-states.js';
import { RehearsalCopy } from './rehearsal-copy.js';
import { UpgradeBegin } from './upgrade-begin.js';
import { UpgradeHost } from './upgrade-host.js';
import { UpgradeMetrics } from './upgrade-metrics.js';
import { UpgradePolicies } from './upgrade-policies.js';
import { UpgradeRehearsal } from './upgrade-rehearsal.js';
import { UpgradeReturn } from './upgrade-return.js';
import { UpgradeRows } from './upgrade-rows.js';
import { UpgradeSwitch } from './upgrade-switch.js';

/** The parts of an upgrade. */
export const upgradeProviders = [
  GatewayImages,
  KeptStates,
  UpgradeMetrics,
  UpgradePolicies,
  UpgradeRows,
  UpgradeHost,
  RehearsalCopy,
  UpgradeRehearsal,
  UpgradeSwitch,
  UpgradeReturn,
  UpgradeBegin,
];
