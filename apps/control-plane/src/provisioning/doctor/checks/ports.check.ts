import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { anotherPort, isOutside } from '../../port-registry.js';
import { DoctorCheck, type Examination, type LookedAtHost, type Symptom } from '../check.js';
import { takenPorts } from '../port-probe.js';
import { RowRepairs } from '../row-repairs.js';

interface Registered {
  readonly id: string;
  readonly hostId: string;
  readonly port: number | null;
}

/** Ports of gateways are theirs, and within their host's range. */
@Injectable()
export class PortsCheck extends DoctorCheck {
  readonly name = 'port';
  readonly fine = 'every gateway has a port that is its own';

  constructor(
    private readonly database: Database,
    private readonly repairs: RowRepairs,
  ) {
    super();
  }

  async look({ hosts }: Examination): Promise<Symptom[]> {
    const rows = await this.database.once((client) =>
      client.gateway.findMany({ where: { port: { not: null } }, select: { id: true, hostId: true, port: true } }),
    );
    const found = await Promise.all(
      hosts.map(async (host) => {
        const here = rows.filter((row) => row.hostId === host.row.id);
        return [...outside(host, here), ...(await this.#strangers(host, here))];
      }),
    );
    return found.flat();
  }

  /** Only processes share their ports with everybody else of the machine; a container has its own address. */
  async #strangers({ row, survey }: LookedAtHost, here: readonly Registered[]): Promise<Symptom[]> {
    if (row.driver !== 'process' || !survey) return [];
    const running = new Set(survey.gateways.filter((entry) => entry.running).map(({ id }) => id));
    const idle = here.filter(({ id }) => !running.has(id));
    const taken = await takenPorts(idle.flatMap(({ port }) => [port!, port! + 1]));
    return idle.flatMap(({ id, port }) => {
      const by = [port!, port! + 1].filter((each) => taken.has(each));
      return by.length === 0 ? [] : [this.#symptom(id, row.name, by)];
    });
  }

  #symptom(id: string, host: string, ports: readonly number[]): Symptom {
    return {
      severity: 'warning',
      subject: `gateway ${id}`,
      message: `Somebody else listens on its port ${ports.join(' and ')} of host ${host}, and it does not run itself.`,
      remedy: 'Give it another port; it is used at its next start.',
      repair: () => this.#movePort(id),
    };
  }

  async #movePort(id: string): Promise<void> {
    await this.database.system(async (tx) => {
      await tx.$queryRaw`SELECT 1 FROM gateways WHERE id = ${id} FOR UPDATE`;
      const row = await tx.gateway.findUniqueOrThrow({ where: { id } });
      const port = await anotherPort(tx, row.hostId, row.port ?? 0);
      await tx.gateway.update({ where: { id }, data: { port, generation: { increment: 1n } }, select: { id: true } });
    });
    await this.repairs.lookAgain('gateway', id);
  }
}

/** After the range was made smaller: they go on as they are. */
function outside({ row }: LookedAtHost, here: readonly Registered[]): Symptom[] {
  const { portFrom: from, portTo: to } = row;
  return here
    .filter(({ port }) => isOutside(port!, row))
    .map(({ id, port }) => ({
      severity: 'notice',
      subject: `gateway ${id}`,
      message: `Its port ${port} is not in its host's range ${from}-${to} (any more). It goes on there.`,
      remedy: 'Nothing has to be done: it gets a port of the range when it is replaced. To hurry, restart it.',
    }));
}
