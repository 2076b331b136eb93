export { type BrokerKey, generateBrokerKey, parsePrivateKeys, parsePublicKey } from './broker-key.js';
export * from './errors.js';
export { type KeyOwner, openProviderKey, recipientOf, sealProviderKey } from './provider-key.js';
