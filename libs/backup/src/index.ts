export { type AgeKeyPair, createAgeKeyPair } from './age.js';
export * from './errors.js';
export {
  checkArchive,
  openArchive,
  openCompressed,
  type OpenedArchive,
  type StoredArchive,
  writeArchive,
  type WrittenArchive,
} from './format.js';
export { openLocalStore, openS3Store, type S3Options } from './open-store.js';
export { BackupStore, type StoredObject } from './store.js';
export { unpackInto } from './unpack.js';
