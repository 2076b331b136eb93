import { access } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { DoctorCheck, type Symptom } from '../check.js';

interface Used {
  readonly image: string;
  readonly driver: string;
  readonly host: string;
  readonly gateways: number;
  readonly refused: number;
}

/** What gateways are made from is there. */
@Injectable()
export class ImagesCheck extends DoctorCheck {
  readonly name = 'image-missing';
  readonly fine = 'every image that gateways are made from is there';

  constructor(private readonly database: Database) {
    super();
  }

  async look(): Promise<Symptom[]> {
    const used = await this.database.raw.$queryRaw<Used[]>`
      SELECT g.image, h.driver, h.name AS host, count(*)::int AS gateways, count(*) FILTER (WHERE EXISTS
          (SELECT 1 FROM jsonb_array_elements(g.conditions) c WHERE c->>'reason' = 'image-missing' AND c->>'status' = 'false'))::int AS refused
      FROM gateways g JOIN hosts h ON h.id = g.host_id
      WHERE g.phase <> 'deleted' AND g.desired_state <> 'deleted' GROUP BY 1, 2, 3 ORDER BY 3, 1`;
    const missing = await Promise.all(used.map(async (image) => ((await isThere(image)) ? [] : [symptom(image)])));
    return missing.flat();
  }
}

/** Of a process host the file can be looked at; an engine has said so when a gateway was to be made. */
async function isThere({ image, driver, refused }: Used): Promise<boolean> {
  if (driver !== 'process' || !isAbsolute(image)) return refused === 0;
  return access(image).then(
    () => true,
    () => false,
  );
}

const symptom = ({ image, driver, host, gateways }: Used): Symptom => ({
  severity: 'broken',
  subject: `image ${image}`,
  message: `It is not on host ${host}, and ${gateways} ${gateways === 1 ? 'gateway needs' : 'gateways need'} it to start.`,
  remedy:
    driver === 'process'
      ? 'Build it: npm run build.'
      : `Load it into the engine (docker load, docker pull) or set WIREBOT_GATEWAY_IMAGE; they start by themselves then.`,
});
