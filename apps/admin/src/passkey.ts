import {
  type AuthenticationResponseJSON,
  browserSupportsWebAuthn,
  browserSupportsWebAuthnAutofill,
  sendSignal,
  startAuthentication,
  startRegistration,
  WebAuthnAbortService,
} from '@simplewebauthn/browser';
import { RequestFailed } from '#libs/browser';
import {
  addPasskey,
  askNewPasskey,
  askPasskeyChallenge,
  type Outcome,
  proveWithPasskey,
  signInWithPasskey,
} from './session-api.js';

/** Passkeys are bound to host names; at an address made of numbers a browser has none. */
export const passkeysWorkHere = (): boolean =>
  browserSupportsWebAuthn() && window.isSecureContext && !/^[\d.]+$|^\[/.test(location.hostname);

/** Where this page has passkeys when it does not have them here: this machine by its name. */
export function nameOfThisMachine(): string | undefined {
  if (!/^127\.|^\[::1\]$/.test(location.hostname)) return undefined;
  const url = new URL(location.pathname, location.href);
  url.hostname = 'localhost';
  return url.href;
}

/** The person said no, or another prompt took its place. */
export const isDismissed = (error: unknown): boolean =>
  error instanceof Error && (error.name === 'NotAllowedError' || error.name === 'AbortError');

/** What to say of a passkey that was not to be had; undefined when nothing needs to be said. */
export function textOfPasskeyError(error: unknown): string | undefined {
  if (error instanceof RequestFailed) return error.message;
  if (!(error instanceof Error)) throw error;
  if (error.name === 'AbortError') return undefined;
  if (error.name === 'NotAllowedError') return 'No passkey was used. Try again, or choose another way.';
  if (error.name === 'InvalidStateError') return 'This device holds a passkey for you already.';
  return 'Your browser could not use a passkey here. Choose another way.';
}

export async function usePasskey(): Promise<Outcome> {
  const optionsJSON = await askPasskeyChallenge();
  return answer(optionsJSON.rpId, () => startAuthentication({ optionsJSON }));
}

/** Offers passkeys where the browser completes the e-mail field; resolves when one was chosen. Undefined: it cannot. */
export async function offerPasskeys(): Promise<Outcome | undefined> {
  if (!(await browserSupportsWebAuthnAutofill())) return undefined;
  const optionsJSON = await askPasskeyChallenge();
  return answer(optionsJSON.rpId, () => startAuthentication({ optionsJSON, useBrowserAutofill: true }));
}

export const stopOffering = (): void => WebAuthnAbortService.cancelCeremony();

export async function provePasskey(): Promise<void> {
  await proveWithPasskey(await startAuthentication({ optionsJSON: await askPasskeyChallenge() }));
}

export async function makePasskey(): Promise<void> {
  const optionsJSON = await askNewPasskey();
  await addPasskey(await startRegistration({ optionsJSON }));
}

/** A sign-in that the server is deciding on; a second one beside it would end the session of the first. */
let deciding: Promise<Outcome> | undefined;

async function answer(rpId: string | undefined, ask: () => ReturnType<typeof startAuthentication>): Promise<Outcome> {
  if (deciding) return deciding;
  const credential = await ask();
  deciding ??= decide(rpId, credential).finally(() => {
    deciding = undefined;
  });
  return deciding;
}

/** A passkey that the server does not know any more is of no use: the browser is told, so that it stops offering it. */
async function decide(rpId: string | undefined, credential: AuthenticationResponseJSON): Promise<Outcome> {
  try {
    return await signInWithPasskey(credential);
  } catch (error) {
    if (error instanceof RequestFailed && error.code === 'passkey-unknown' && rpId) await forget(rpId, credential.id);
    throw error;
  }
}

/** Where the browser knows how; nothing depends on it. */
const forget = (rpID: string, credentialID: string): Promise<void> =>
  sendSignal({ signalName: 'unknownCredential', rpID, credentialID }).catch(() => undefined);
