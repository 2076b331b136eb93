import { UPGRADING } from '../phases.js';
import type { HostSurvey } from './host-survey.js';

/** What the rows say of a gateway that was seen somewhere. */
export interface KnownGateway {
  readonly id: string;
  readonly hostId: string;
  readonly phase: string;
  readonly upgrading: boolean;
}

export const STRAY_REASONS = [
  'unknown-gateway',
  'leftover-gateway',
  'gateway-on-other-host',
  'orphan-folder',
  'leftover-folder',
  'kept-copy-left',
  'orphan-secrets',
] as const;
export type StrayReason = (typeof STRAY_REASONS)[number];

/** Something on a host that the rows do not explain. */
export interface Sighting {
  readonly kind: 'container' | 'folder' | 'secrets';
  /** What it is called there; unique with kind and reason. */
  readonly name: string;
  readonly gatewayId: string;
  readonly reason: StrayReason;
  readonly message: string;
  /** As it is written on what was seen: another one of the same name is another thing. */
  readonly generation: number | null;
}

export const isUpgrading = (row: {
  readonly phase: string;
  readonly rollback: unknown;
  readonly targetImage: string | null;
}): boolean => row.rollback !== null || row.targetImage !== null || UPGRADING.includes(row.phase);

/** What is on the host and not in the rows, or no longer. A gateway that has a row is ours and is simply used. */
export function strays(survey: HostSurvey, hostId: string, known: ReadonlyMap<string, KnownGateway>): Sighting[] {
  const running = new Set(survey.gateways.map(({ id }) => id));
  return [
    ...survey.gateways.flatMap(({ id, generation }) => strayGateway(id, generation, hostId, known.get(id))),
    ...survey.states.flatMap(({ id, kept }) => [
      // While a process may have it open it belongs to that.
      ...(running.has(id) ? [] : strayFolder(id, hostId, known.get(id))),
      ...strayCopies(id, kept, known.get(id)),
    ]),
    ...survey.secrets.filter((id) => !running.has(id)).flatMap((id) => straySecrets(id, known.get(id))),
  ];
}

function strayGateway(id: string, generation: number, hostId: string, row: KnownGateway | undefined): Sighting[] {
  const of = { kind: 'container', name: id, gatewayId: id, generation } as const;
  if (!row) {
    const message = `${id} runs here under this installation's name, but the database does not know it. It is stopped first, and removed when it stays unknown; its state is kept longer.`;
    return [{ ...of, reason: 'unknown-gateway', message }];
  }
  if (row.phase === 'deleted') {
    const message = `${id} was deleted, but something of it is here (again). It is removed.`;
    return [{ ...of, reason: 'leftover-gateway', message }];
  }
  if (row.hostId !== hostId) {
    const message = `${id} belongs on another host, and is here too. Nothing is done to it: either two hosts are the same engine (remove one), or it came back with a host that was lost.`;
    return [{ ...of, reason: 'gateway-on-other-host', message }];
  }
  return [];
}

function strayFolder(id: string, hostId: string, row: KnownGateway | undefined): Sighting[] {
  const of = { kind: 'folder', name: id, gatewayId: id, generation: null } as const;
  if (!row) {
    const message = `A state folder of ${id} is here, but the database does not know that gateway. It is kept for some days, then deleted.`;
    return [{ ...of, reason: 'orphan-folder', message }];
  }
  if (row.phase === 'deleted' && row.hostId === hostId) {
    const message = `${id} was deleted, but a state folder of it is here (its host was lost meanwhile, or it was made again). It is kept for some days, then deleted.`;
    return [{ ...of, reason: 'leftover-folder', message }];
  }
  return [];
}

function strayCopies(id: string, kept: readonly string[], row: KnownGateway | undefined): Sighting[] {
  if (!row || row.phase === 'deleted' || row.upgrading) return [];
  return kept.map((copy) => ({
    kind: 'folder',
    name: `${id}/${copy}`,
    gatewayId: id,
    reason: 'kept-copy-left',
    message: `The copy "${copy}" of ${id}'s state is here, and no upgrade needs it. It takes disk; it is kept for some days, then deleted.`,
    generation: null,
  }));
}

function straySecrets(id: string, row: KnownGateway | undefined): Sighting[] {
  if (row && row.phase !== 'deleted') return [];
  const message = `A folder of secrets of ${id} is here, but no such gateway is. It is deleted.`;
  return [{ kind: 'secrets', name: id, gatewayId: id, reason: 'orphan-secrets', message, generation: null }];
}
