/** What trust allows, as it is compiled for one agent and carried in `gateway.json`. */
export type TrustMode = 0 | 1 | 2 | 3;

/** Where a member's request can come from. */
export const SURFACES = [
  'web',
  'extension',
  'sms',
  'voice',
  'slack',
  'discord',
  'telegram',
  'whatsapp',
  'mobile',
  'api',
  'cli',
  'admin',
] as const;
export type Surface = (typeof SURFACES)[number];

/**
 * Who can read along. `public`: strangers may (an open channel, a page without sign-in). `private`: only the member.
 * `own`: private, over an account or number of the member's own instead of one that the tenant shares among members.
 */
export const VISIBILITIES = ['public', 'private', 'own'] as const;
export type Visibility = (typeof VISIBILITIES)[number];

/** What one surface carries, seen with one visibility. */
export interface SurfaceGrant {
  /** No request from here is in a higher mode. */
  readonly modeCap: TrustMode;
  /** Long answers, attachments, every command; else short messages only. */
  readonly fullChat: boolean;
  /** The workspace's stage, profile and goals in the context. */
  readonly businessContext: boolean;
  /** Name, time zone, habits: anything that is the member's. */
  readonly personalisation: boolean;
  readonly checklistsAndGoals: boolean;
  /** `opt-in`: only after the member asked for it on this very channel. */
  readonly weeklySummary: 'always' | 'opt-in' | 'never';
  /** What is remembered beyond the words of the running conversation: nothing, until it ends, or for good. */
  readonly memory: 'none' | 'session' | 'durable';
}

/** What a grant can switch on; a tool may need one. */
export type SurfaceFeature = 'fullChat' | 'businessContext' | 'personalisation' | 'checklistsAndGoals';

export interface ToolRule {
  readonly minimumMode: TrustMode;
  /** The tool shows or changes what only this feature may carry; null: nothing of the member's. */
  readonly needs: SurfaceFeature | null;
}

/** Null means no limit. */
export interface RequestLimits {
  readonly messagesPerHour: number | null;
  readonly sessions: number | null;
  readonly apiCallsPerDay: number | null;
  readonly smsPerDay: number | null;
}

/** Everything a gateway needs to decide about one agent's requests. What is not in it is denied. */
export interface TrustProfile {
  /** The runtime it was compiled for: another one refuses it. */
  readonly runtime: 'wirebot';
  /** The least of platform, tenant, tier, placement and downgrade. A request's own mode may be lower, never higher. */
  readonly ceiling: TrustMode;
  /** Surfaces of the member's tier. */
  readonly surfaces: Readonly<Record<string, Readonly<Partial<Record<Visibility, SurfaceGrant>>>>>;
  /** Tools that the ceiling can ever reach. */
  readonly tools: Readonly<Record<string, ToolRule>>;
  readonly limits: RequestLimits;
}

/** `GET /policy` of an agent: what the token that asks may do. */
export interface PolicyView {
  readonly trustMode: TrustMode;
  readonly surface: string;
  readonly visibility: Visibility;
  /** Nothing of this conversation is kept: it ends with the process, or when it is idle. */
  readonly ephemeral: boolean;
  readonly features: Readonly<Record<string, { readonly allowed: boolean; readonly reason: string }>>;
  readonly tools: readonly { readonly tool: string; readonly allowed: boolean; readonly reason: string }[];
  readonly limits: RequestLimits;
}
