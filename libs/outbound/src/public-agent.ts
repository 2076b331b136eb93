import { lookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { DomainError } from '#libs/kernel';
import { Agent } from 'undici';
import { isPublicAddress } from './public-address.js';

/** A URL, or what its name resolves to, that calls to the outside may not reach. */
export class AddressNotPublic extends DomainError {
  readonly code = 'address-not-public';
  readonly kind = 'rule';
  constructor(why = 'it leads to an address that is not public') {
    super(`This URL cannot be called: ${why}. Use an https URL of a host on the internet.`);
  }
}

const CONNECTIONS_PER_HOST = 8;

export interface PublicAgentOptions {
  /** Milliseconds until a connection must stand. */
  readonly connectTimeout: number;
  /** Lets private addresses and plain http pass: for tests and installations whose receivers are inside. */
  readonly allowPrivate?: boolean;
}

/** Checks the shape of a URL before it is stored. What its name resolves to is checked at every connection. */
export function assertPublicUrl(text: string, options: Pick<PublicAgentOptions, 'allowPrivate'> = {}): URL {
  const url = URL.parse(text);
  if (!url || (url.protocol !== 'https:' && !(options.allowPrivate && url.protocol === 'http:')))
    throw new AddressNotPublic('it is not an https URL');
  if (url.username || url.password) throw new AddressNotPublic('it carries a user name or password');
  if (options.allowPrivate) return url;
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (isIP(host) !== 0 && !isPublicAddress(host)) throw new AddressNotPublic();
  if (host === 'localhost' || host.endsWith('.localhost') || host.endsWith('.internal') || !host.includes('.'))
    if (isIP(host) === 0) throw new AddressNotPublic('its host is not a public name');
  return url;
}

/** Resolves a name and refuses it when any of its addresses is not public: the address checked is the one connected to. */
const publicLookup: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error) return callback(error, '', 0);
    const bad = addresses.length === 0 || addresses.some(({ address }) => !isPublicAddress(address));
    if (bad) return callback(new AddressNotPublic() as NodeJS.ErrnoException, '', 0);
    if (options.all === true) callback(null, addresses);
    else callback(null, addresses[0]!.address, addresses[0]!.family);
  });
};

/**
 * An undici dispatcher that connects to public addresses only, whatever a name resolves to at that moment: the address that
 * was checked is the one connected to. A literal address is never looked up, so check the URL with `assertPublicUrl` before
 * each call. It follows no redirects.
 */
export function createPublicAgent({ connectTimeout, allowPrivate = false }: PublicAgentOptions): Agent {
  const connect = { timeout: connectTimeout, ...(allowPrivate ? {} : { lookup: publicLookup }) };
  return new Agent({ connect, connections: CONNECTIONS_PER_HOST, pipelining: 1, keepAliveTimeout: 1_000 });
}
