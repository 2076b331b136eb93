import type { Actor } from './world.js';

/** How to call a route in a valid way. */
export interface RouteCall {
  /**
   * Names of what the call is about, made anew for each actor: first those of the path, in its order, then those that the
   * body or the query mention. With another tenant's (or user's) names the call must be answered as with unknown ones.
   */
  readonly target?: (actor: Actor) => Promise<readonly string[]>;
  readonly query?: string | ((names: readonly string[]) => string);
  readonly body?: object | ((names: readonly string[]) => object);
  /** Statuses of a good call; by default 200 to 299. */
  readonly good?: readonly number[];
  /** Why everybody has the same names. */
  readonly same?: string;
  /** What somebody else's names may be answered with besides 404, as unknown ones are. */
  readonly stranger?: { readonly status: number; readonly because: string };
  /** Why another member of the same tenant may name the same. */
  readonly handedOver?: string;
  /** A tenant's route that only operators may call, in the name of the tenant. */
  readonly by?: 'operator';
  /** Why a refusal is a redirect: to a console's page that says the error. */
  readonly redirects?: string;
  /** Why a tenant's route answers operators who name no tenant. */
  readonly tenantless?: string;
  /** Why anybody may call it. */
  readonly open?: string;
  /** Why no scope is asked for beyond being an operator. */
  readonly unscoped?: string;
  /** It answers without end: only its head is looked at. */
  readonly endless?: true;
}

/** `GET /v1/members/:externalId` */
export type RouteCalls = Readonly<Record<string, RouteCall>>;

let made = 0;
/** A short name that nothing else has in this run. */
export const fresh = (prefix: string): string => `${prefix}-${(made += 1).toString(36)}x`;

/** A member made for this call. */
export async function freshMember(
  actor: Actor,
): Promise<{ externalId: string; operationId: string; memberId: string }> {
  const externalId = fresh('person');
  const put = { email: `${externalId}@example.com`, tier: 'wire' };
  const made = await actor.call<{ member: { id: string }; operation: { id: string } }>(
    'PUT',
    `/v1/members/${externalId}`,
    put,
  );
  return { externalId, operationId: made.operation.id, memberId: made.member.id };
}

/** The member of the call by its name at the tenant's site. */
export const aMember = async (actor: Actor): Promise<string[]> => [(await freshMember(actor)).externalId];
