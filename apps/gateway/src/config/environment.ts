import { GATEWAY_ENVIRONMENT } from '#libs/contracts';
import { StartRefused } from '../errors.js';

/** What the process is told by its environment; nothing of it is secret. */
export interface Environment {
  readonly gatewayId: string;
  readonly stateDir: string;
  readonly secretsDir: string;
  readonly host: string;
  readonly port: number;
  readonly controlPort: number;
}

type Name = (typeof GATEWAY_ENVIRONMENT)[number];

function port(name: Name, value: string): number {
  const number = Number(value);
  if (!Number.isInteger(number) || number < 0 || number > 65_535) throw new StartRefused(`${name} is not a port.`);
  return number;
}

export function readEnvironment(environment: NodeJS.ProcessEnv): Environment {
  const read = (name: Name): string => {
    const value = environment[name]?.trim();
    if (!value) throw new StartRefused(`${name} is not set.`);
    return value;
  };
  return {
    gatewayId: read('WIREBOT_GATEWAY_ID'),
    stateDir: read('WIREBOT_STATE_DIR'),
    secretsDir: read('WIREBOT_SECRETS_DIR'),
    host: read('WIREBOT_LISTEN_HOST'),
    port: port('WIREBOT_PORT', read('WIREBOT_PORT')),
    controlPort: port('WIREBOT_CONTROL_PORT', read('WIREBOT_CONTROL_PORT')),
  };
}
