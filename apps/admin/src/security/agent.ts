const BROWSERS: readonly (readonly [RegExp, string])[] = [
  [/Edg(?:e|A|iOS)?\//, 'Edge'],
  [/OPR\/|Opera/, 'Opera'],
  [/SamsungBrowser\//, 'Samsung Internet'],
  [/Firefox\/|FxiOS\//, 'Firefox'],
  [/Chrome\/|CriOS\/|Chromium\//, 'Chrome'],
  [/Safari\//, 'Safari'],
];
const SYSTEMS: readonly (readonly [RegExp, string])[] = [
  [/iPhone|iPad|iPod/, 'iOS'],
  [/Android/, 'Android'],
  [/Windows/, 'Windows'],
  [/Macintosh|Mac OS X/, 'macOS'],
  [/CrOS/, 'ChromeOS'],
  [/Linux/, 'Linux'],
];

const nameIn = (names: readonly (readonly [RegExp, string])[], text: string): string | undefined =>
  names.find(([pattern]) => pattern.test(text))?.[1];

/** What people would call the program that a User-Agent header names. */
export function describeAgent(userAgent: string): string {
  const [browser, system] = [nameIn(BROWSERS, userAgent), nameIn(SYSTEMS, userAgent)];
  if (browser && system) return `${browser} on ${system}`;
  return browser ?? system ?? (userAgent.split(/[/ ]/, 1)[0] || 'Unknown program');
}

const METHODS: Readonly<Record<string, string>> = {
  password: 'password',
  'magic-link': 'mailed link',
  passkey: 'passkey',
  totp: 'authenticator code',
  'recovery-code': 'recovery code',
};

/** `oidc:google+totp` in words. */
export const describeMethod = (method: string): string =>
  method
    .split('+')
    .map((part) => METHODS[part] ?? part.replace(/^oidc:/, ''))
    .join(' and ');
