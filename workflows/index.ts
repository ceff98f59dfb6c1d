/** Everything that the worker bundles. */
export { appGuardian } from './app-guardian.ts';
export { connectUnidentified } from './connect-unidentified.ts';
export { connectionLifecycle } from './connection-lifecycle.ts';
export { reconciler } from './reconciler.ts';
