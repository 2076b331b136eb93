import { installPackages } from './packages.js';
import type { Say } from './say.js';

const ENGINE = [
  { program: 'dockerd', name: 'docker.io' },
  { program: 'iptables', name: 'iptables' },
];

/** Installs Docker's engine and iptables from the distribution where they are missing: root on Debian or Ubuntu. */
export const installEngine = (options: { readonly onSay: Say }): Promise<void> =>
  installPackages(ENGINE, { ...options, otherwise: 'Install Docker yourself, or use the process driver' });
