import type { AgentRoute } from '#libs/contracts';
import type { RouteTable } from '#libs/routing';
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

const CREDENTIAL = /^wbk_(agt_[a-z0-9]{1,64})_([\x21-\x7e]{8,256})$/i;
const NOBODY = Buffer.alloc(32);

/** The credential a model SDK sent: as its API key header, or as a bearer token. */
function credentialOf(req: IncomingMessage): string | undefined {
  const key = req.headers['x-api-key'];
  if (typeof key === 'string' && key !== '') return key;
  return /^Bearer +([^\s]+) *$/i.exec(req.headers.authorization ?? '')?.[1];
}

/** The agent that sent this call, or undefined. Only hashes are compared, and always in the same time. */
export function agentOfCall(table: RouteTable, req: IncomingMessage): AgentRoute | undefined {
  const credential = credentialOf(req);
  const match = CREDENTIAL.exec(credential ?? '');
  if (!credential || !match) return undefined;
  const agent = table.agent(match[1]!);
  const expected = agent ? Buffer.from(agent.credentialSha256, 'hex') : NOBODY;
  const actual = createHash('sha256').update(credential).digest();
  // A route without a proper hash admits nobody.
  const comparable = expected.length === actual.length ? expected : NOBODY;
  return timingSafeEqual(comparable, actual) ? agent : undefined;
}
