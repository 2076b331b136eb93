/** What an operator lets a host bear; what is missing is no limit. */
export interface HostCapacity {
  readonly gateways?: number;
  /** Sum of what its gateways may take. */
  readonly memoryMb?: number;
  readonly cpus?: number;
  /** Free disk that has to remain. */
  readonly diskMb?: number;
}

/** A host and what is promised on it already. */
export interface HostCandidate {
  readonly id: string;
  readonly name: string;
  readonly state: string;
  /** It does not answer right now. */
  readonly silent: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly capacity: HostCapacity;
  readonly gateways: number;
  readonly memoryMb: number;
  readonly cpus: number;
  readonly freePorts: number;
  /** As last seen; null: not known. */
  readonly freeDiskMb: number | null;
  /** What the machine has; null: not known. */
  readonly machineMemoryMb: number | null;
}

/** What a new gateway needs of a host. */
export interface PlaceNeed {
  readonly memoryMb: number;
  readonly cpus: number;
  /** Slug of the tenant that it is for. */
  readonly tenant: string;
  /** Somebody chose this host. */
  readonly hostId?: string | null;
  /** It comes from here: another host is better. */
  readonly from?: string | null;
}

export type PlacementPolicy = 'spread' | 'pack';

/** Why a host takes no further gateway. `passing`: it may by itself later. */
export interface Refusal {
  readonly host: string;
  readonly limit: 'state' | 'silent' | 'tenant' | 'chosen' | 'gateways' | 'memory' | 'cpus' | 'disk' | 'ports';
  readonly passing: boolean;
  readonly message: string;
}

/** A host with this label is for the gateways of the tenant of that slug, and for no others. */
export const TENANT_LABEL = 'tenant';
/** A disk that is nearly full gets nothing new, also when nobody said a limit. */
const LEAST_FREE_DISK_MB = 256;

type Check = (host: HostCandidate, need: PlaceNeed) => Omit<Refusal, 'host'> | undefined;

const beyond = (
  limit: Refusal['limit'],
  used: number,
  more: number,
  most: number | undefined,
  unit: string,
): Omit<Refusal, 'host'> | undefined =>
  most === undefined || used + more <= most
    ? undefined
    : { limit, passing: false, message: `${used} of ${most}${unit} are taken and ${more} more are needed` };

const CHECKS: readonly Check[] = [
  ({ id }, { hostId }) =>
    hostId && hostId !== id ? { limit: 'chosen', passing: false, message: 'another host was chosen' } : undefined,
  ({ state }) => (state === 'active' ? undefined : { limit: 'state', passing: false, message: `it is ${state}` }),
  ({ silent }) => (silent ? { limit: 'silent', passing: true, message: 'it does not answer right now' } : undefined),
  ({ labels }, { tenant }) => {
    const reserved = labels[TENANT_LABEL];
    const message = `it is reserved for the tenant ${reserved}`;
    return reserved === undefined || reserved === tenant ? undefined : { limit: 'tenant', passing: false, message };
  },
  ({ gateways, capacity }) => beyond('gateways', gateways, 1, capacity.gateways, ' gateways'),
  ({ memoryMb, capacity }, need) => beyond('memory', memoryMb, need.memoryMb, capacity.memoryMb, ' MB of memory'),
  ({ cpus, capacity }, need) => beyond('cpus', cpus, need.cpus, capacity.cpus, ' CPUs'),
  ({ freeDiskMb, capacity }) => {
    const least = capacity.diskMb ?? LEAST_FREE_DISK_MB;
    const message = `only ${freeDiskMb} MB of its disk are free and ${least} MB have to remain`;
    return freeDiskMb === null || freeDiskMb >= least ? undefined : { limit: 'disk', passing: false, message };
  },
  ({ freePorts }) =>
    freePorts > 0 ? undefined : { limit: 'ports', passing: false, message: 'every port of its range is taken' },
];

/** Undefined: it takes the gateway. */
export function refusalOf(host: HostCandidate, need: PlaceNeed): Refusal | undefined {
  for (const check of CHECKS) {
    const refusal = check(host, need);
    if (refusal) return { host: host.name, ...refusal };
  }
  return undefined;
}

/** How much of a host is promised, from 0; by its tightest limit, else by its machine's memory. */
function share({ capacity, gateways, memoryMb, cpus, machineMemoryMb }: HostCandidate): number {
  const shares = [
    capacity.gateways === undefined ? undefined : gateways / capacity.gateways,
    capacity.memoryMb === undefined ? undefined : memoryMb / capacity.memoryMb,
    capacity.cpus === undefined ? undefined : cpus / capacity.cpus,
  ].filter((value) => value !== undefined);
  if (shares.length > 0) return Math.max(...shares);
  return machineMemoryMb ? memoryMb / machineMemoryMb : gateways / 100;
}

/** The hosts that a tenant may use: those reserved for it when there are any, else those reserved for nobody. */
export function hostsFor(hosts: readonly HostCandidate[], tenant: string): HostCandidate[] {
  const own = hosts.filter((host) => host.labels[TENANT_LABEL] === tenant && host.state !== 'removed');
  return own.length > 0 ? own : [...hosts];
}

/** `spread`: the emptiest host; `pack`: the fullest that still has room. Equals are told apart by name, so that it is repeatable. */
export function chooseHost(
  hosts: readonly HostCandidate[],
  need: PlaceNeed,
  policy: PlacementPolicy,
): { readonly host: HostCandidate } | { readonly refusals: readonly Refusal[] } {
  const allowed = hostsFor(hosts, need.tenant);
  const refusals = allowed.map((host) => refusalOf(host, need));
  const fitting = allowed.filter((_, index) => refusals[index] === undefined);
  const direction = policy === 'spread' ? 1 : -1;
  const [host] = fitting.sort(
    (a, b) =>
      Number(a.id === need.from) - Number(b.id === need.from) ||
      direction * (share(a) - share(b)) ||
      direction * (a.gateways - b.gateways) ||
      a.name.localeCompare(b.name),
  );
  return host ? { host } : { refusals: refusals.filter((refusal) => refusal !== undefined) };
}
