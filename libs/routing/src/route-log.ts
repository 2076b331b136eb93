/** Where this library tells what happens: an event phrase plus fields, never a secret. */
export type RouteLog = (level: 'debug' | 'info' | 'warn', event: string, fields?: Record<string, unknown>) => void;

export const silentLog: RouteLog = () => undefined;
