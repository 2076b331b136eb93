import { generateSecret, generateURI, verifySync } from 'otplib';

const PERIOD_SECONDS = 30;
const ISSUER = 'Wirebot';

export const newTotpSecret = (): string => generateSecret({ length: 20 });

/** What authenticator apps read, as text and in a QR code. */
export const totpUrl = (secret: string, email: string): string => generateURI({ issuer: ISSUER, label: email, secret });

/** The time step a code belongs to, the one before and the one after now included; undefined when it is wrong. */
export function totpStep(secret: string, code: string, now: Date): number | undefined {
  const epoch = Math.floor(now.getTime() / 1_000);
  const result = verifySync({ secret, token: code, epoch, period: PERIOD_SECONDS, epochTolerance: PERIOD_SECONDS });
  return result.valid && 'timeStep' in result ? result.timeStep : undefined;
}
