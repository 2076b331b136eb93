import { expect, it } from 'vitest';
import { suggestName } from './authenticator-names.js';

it('names a passkey after where it is kept', () => {
  expect(suggestName('ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4', ['internal', 'hybrid'], [])).toBe(
    'Google Password Manager',
  );
  expect(suggestName('00000000-0000-0000-0000-000000000000', ['usb', 'nfc'], [])).toBe('Security key');
  expect(suggestName('00000000-0000-0000-0000-000000000000', ['internal'], [])).toBe('Passkey');
  expect(suggestName('00000000-0000-0000-0000-000000000000', [], [])).toBe('Passkey');
});

it('tells passkeys of the same place apart', () => {
  expect(suggestName('x', [], ['Passkey'])).toBe('Passkey 2');
  expect(suggestName('x', [], ['Passkey', 'Passkey 2'])).toBe('Passkey 3');
});
